// The floor of benchmarks/echo: sends everything back, with epoll and nothing else. epoll-echo PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int count_of_arguments, char **arguments) {
    if (count_of_arguments != 2) return fprintf(stderr, "usage: epoll-echo PORT\n"), 2;
    static char buffer[64 * 1024];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(atoi(arguments[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 2048) < 0) fail("listen");
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor == listener) {
                int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (accepted < 0) continue;
                struct epoll_event added = {.events = EPOLLIN, .data.fd = accepted};
                epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &added);
                continue;
            }
            ssize_t received = read(descriptor, buffer, sizeof buffer);
            if (received < 0 && errno == EAGAIN) continue;
            // The load never has more under way than a socket takes, so a short write is an error here.
            if (received <= 0 || send(descriptor, buffer, received, MSG_NOSIGNAL) != received) close(descriptor);
        }
    }
}
