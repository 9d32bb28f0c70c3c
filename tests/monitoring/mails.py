"""A real SMTP server on a port of this machine that keeps what it is given, or refuses it."""

import email
import socketserver
import threading
from email.message import EmailMessage
from email.policy import default


class Mailbox:
    def __init__(self, *, refuses: bool = False) -> None:
        self.taken: list[EmailMessage] = []
        box = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self) -> None:
                self.say("220 here")
                while line := self.rfile.readline().decode().strip():
                    word = line.split()[0].upper()
                    if word == "DATA":
                        self.take()
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("550 no" if refuses and word == "RCPT" else "250 ok")

            def take(self) -> None:
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b"."))
                message = email.message_from_bytes(b"".join(lines), policy=default)
                assert isinstance(message, EmailMessage)
                box.taken.append(message)
                self.say("250 kept")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
