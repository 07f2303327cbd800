// The load of benchmarks/echo: connections that each send a message, wait until all of it has come back, and send the next.
// echo-load PORT CONNECTIONS BYTES SECONDS: prints how many came back, how long it took in seconds, and its own processor time.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

int main(int count, char **arguments) {
    if (count != 5) return fprintf(stderr, "usage: echo-load PORT CONNECTIONS BYTES SECONDS\n"), 2;
    int port = atoi(arguments[1]), connections = atoi(arguments[2]), bytes = atoi(arguments[3]);
    double seconds = atof(arguments[4]);
    char *message = malloc(bytes), *buffer = malloc(bytes);
    for (int i = 0; i < bytes; i++) message[i] = (char)(i * 7 + i / 251);
    int *missing = calloc(65536, sizeof *missing), epoll = epoll_create1(0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < connections; i++) {
        int descriptor = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(descriptor, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
        missing[descriptor] = bytes;
        if (send(descriptor, message, bytes, MSG_NOSIGNAL) != bytes) fail("send");
    }
    double start = now(), end = start + seconds;
    long answers = 0;
    struct epoll_event events[256];
    while (now() < end) {
        int ready = epoll_wait(epoll, events, 256, 1000);
        for (int i = 0; i < ready; i++) {
            int descriptor = events[i].data.fd;
            int offset = bytes - missing[descriptor];
            ssize_t received = recv(descriptor, buffer, missing[descriptor], MSG_DONTWAIT);
            if (received <= 0) fail("recv");
            if (memcmp(buffer, message + offset, received) != 0) return fprintf(stderr, "other bytes came back\n"), 1;
            missing[descriptor] -= received;
            if (missing[descriptor] > 0) continue;
            answers++;
            missing[descriptor] = bytes;
            if (send(descriptor, message, bytes, MSG_NOSIGNAL) != bytes) fail("send");
        }
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double processor = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    printf("%ld %f %f\n", answers, now() - start, processor);
    return 0;
}
