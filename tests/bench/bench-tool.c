/* SPDX-License-Identifier: MIT */
/*
 * Clock, sockets and options of the benchmark's tools. See bench-tool.h.
 */
#include "bench-tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn void
bench_die (const char *what)
{
  (void) fprintf (stderr, "bench: %s: %s\n", what, strerror (errno));
  exit (2);
}

void *
bench_alloc (size_t count, size_t size)
{
  void *memory = calloc (count > 0 ? count : 1, size);

  if (memory == NULL) {
    bench_die ("memory");
  }
  return memory;
}

uint64_t
bench_now_ns (void)
{
  struct timespec now;

  (void) clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * BENCH_NS_PER_SEC + (uint64_t) now.tv_nsec;
}

void
bench_tool_init (void)
{
  struct rlimit files;

  (void) signal (SIGPIPE, SIG_IGN);
  if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void) setrlimit (RLIMIT_NOFILE, &files);
  }
}

uint64_t
bench_number (const char *option, const char *text)
{
  char *end = NULL;
  uint64_t value;

  errno = 0;
  value = strtoull (text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || *text == '-') {
    errno = EINVAL;
    bench_die (option);
  }
  return value;
}

static struct sockaddr_in
loopback (uint16_t port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  return address;
}

/* No waiting for more to send, and no pacing: under BBR, the default of some machines, the tools would measure its
 * timers. Accepted sockets inherit both from their listener. */
static void
send_at_once (int fd)
{
  int on = 1;

  (void) setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof (on));
  (void) setsockopt (fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

int
bench_listen (uint16_t *port)
{
  struct sockaddr_in address = loopback (*port);
  socklen_t length = sizeof (address);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;

  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof (on)) != 0 ||
      bind (fd, (struct sockaddr *) &address, length) != 0 || listen (fd, SOMAXCONN) != 0 ||
      getsockname (fd, (struct sockaddr *) &address, &length) != 0) {
    bench_die ("listen");
  }
  send_at_once (fd);
  *port = ntohs (address.sin_port);
  return fd;
}

int
bench_connect (uint16_t port)
{
  struct sockaddr_in address = loopback (port);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0) {
    bench_die ("socket");
  }
  send_at_once (fd);
  if (connect (fd, (struct sockaddr *) &address, sizeof (address)) != 0) {
    (void) close (fd);
    return -1;
  }
  return fd;
}

void
bench_set_nonblocking (int fd)
{
  (void) fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
}

bool
bench_send_all (int fd, const char *bytes, size_t length)
{
  while (length > 0) {
    ssize_t n = send (fd, bytes, length, MSG_NOSIGNAL);

    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    bytes += n;
    length -= (size_t) n;
  }
  return true;
}
