// A listener's place in libev's epoll set. libev registers descriptors so that every process that watches a listener is woken for each
// connection; it has no way to say EPOLLEXCLUSIVE, nor to tell its epoll descriptor. So its registration is replaced by one of our own
// that brings the same word with its events, and libev does not notice. Called by ExclusiveRegistration only.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

int spork_newest_epoll(void) {
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) return -1;
    int newest = -1;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char target[64];
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = 0;
        int descriptor = atoi(entry->d_name);
        if (strcmp(target, "anon_inode:[eventpoll]") == 0 && descriptor > newest) newest = descriptor;
    }
    closedir(directory);
    return newest;
}

bool spork_epoll_word(int epoll, int descriptor, uint64_t *word) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epoll);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    bool is_found = false;
    char line[256];
    while (!is_found && fgets(line, sizeof line, file)) {
        int found;
        unsigned int events;
        unsigned long long data;
        is_found = sscanf(line, "tfd: %d events: %x data: %llx", &found, &events, &data) == 3 && found == descriptor;
        if (is_found) *word = data;
    }
    fclose(file);
    return is_found;
}

int spork_epoll_add_exclusively(int epoll, int descriptor, uint64_t word) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = word};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) < 0 ? -errno : 0;
}

int spork_epoll_remove(int epoll, int descriptor) {
    return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL) < 0 ? -errno : 0;
}
