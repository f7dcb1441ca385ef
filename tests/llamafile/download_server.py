# SPDX-License-Identifier: MIT
"""An HTTP server on loopback for downloads, with the faults that downloads meet. Knows nothing of llamafiles."""
import http.server
import re
import threading


class DownloadServer(http.server.ThreadingHTTPServer):
    """Serves `files` (path -> bytes). The path's first folder is the fault:

      /good      none; ranges are understood
      /drop      the first answer breaks off in the middle
      /stall     the first answer stops in the middle until `release` is set
      /norange   ranges are ignored
      /huge      says that there is a petabyte of it
      /nolength  chunked, and HEAD is refused
      /moved     redirects to /good
    """
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.files = {}
        self.ranges = []  # (path, Range header or None) of each GET
        self.stalled = threading.Event()
        self.release = threading.Event()
        self.seen = set()
        self.url = f'http://127.0.0.1:{self.server_address[1]}'
        threading.Thread(target=self.serve_forever, daemon=True).start()


    def handle_error(self, request, client_address):
        """A client that went away is what many checks are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def split(self):
        _, fault, name = self.path.split('/', 2)
        return fault, self.server.files.get(name)

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), str(value))
        self.end_headers()

    def do_HEAD(self):
        fault, content = self.split()
        if content is None:
            self.head(404, Content_Length=0)
        elif fault == 'moved':
            self.head(302, Location=self.path.replace('moved', 'good'), Content_Length=5)
        elif fault == 'nolength':
            self.head(405, Content_Length=0)
        else:
            self.head(200, Content_Length=10 ** 15 if fault == 'huge' else len(content))

    def do_GET(self):
        fault, content = self.split()
        wanted = self.headers.get('Range')
        self.server.ranges.append((self.path, wanted))
        first = self.path not in self.server.seen
        self.server.seen.add(self.path)
        if content is None:
            self.head(404, Content_Length=0)
        elif fault == 'moved':
            self.head(302, Location=self.path.replace('moved', 'good'), Content_Length=0)
        elif fault == 'nolength':
            self.head(200, Transfer_Encoding='chunked')
            self.wfile.write(b'%x\r\n%s\r\n0\r\n\r\n' % (len(content), content))
        else:
            self.send_part(fault, content, None if fault == 'norange' else wanted, first)

    def send_part(self, fault, content, wanted, first):
        start = int(re.match(r'bytes=(\d+)-', wanted)[1]) if wanted else 0
        if wanted and start >= len(content):
            self.head(416, Content_Range=f'bytes */{len(content)}', Content_Length=0)
            return
        status = 206 if wanted else 200
        more = {'Content_Range': f'bytes {start}-{len(content) - 1}/{len(content)}'} if wanted else {}
        self.head(status, Content_Length=len(content) - start, **more)
        middle = (start + len(content)) // 2
        if first and fault in ('drop', 'stall'):
            self.wfile.write(content[start:middle])
            self.wfile.flush()
            if fault == 'drop':
                self.close_connection = True
                return
            self.server.stalled.set()
            self.server.release.wait(60)
            start = middle
        try:
            self.wfile.write(content[start:])
        except OSError:
            self.close_connection = True
