// What a Unix socket carries beside its bytes: descriptors, and who is at the other end. Here because of the CMSG macros and
// struct ucred. EINTR is repeated, every other error goes back as a negated errno.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

// Room for the most descriptors, aligned as control data has to be.
typedef union {
    struct cmsghdr alignment;
    char bytes[CMSG_SPACE(SPORK_MOST_DESCRIPTORS * sizeof(int))];
} Control;

ssize_t spork_send_descriptors(
    int descriptor, const void *bytes, size_t count, const int *descriptors, size_t descriptor_count) {
    if (descriptor_count > SPORK_MOST_DESCRIPTORS || count == 0) return -EINVAL;
    Control control;
    struct iovec part = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t size = descriptor_count * sizeof(int);
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), descriptors, size);
    }
    ssize_t sent;
    do {
        sent = sendmsg(descriptor, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

ssize_t spork_receive_descriptors(
    int descriptor, void *bytes, size_t count, int *descriptors, size_t most, size_t *received, bool *truncated) {
    *received = 0;
    *truncated = false;
    if (most > SPORK_MOST_DESCRIPTORS) most = SPORK_MOST_DESCRIPTORS;
    Control control;
    struct iovec part = {bytes, count};
    // Exactly as much room as is asked for: with CMSG_SPACE, whose padding holds another one, one too many could come.
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(most * sizeof(int))};
    ssize_t taken;
    do {
        taken = recvmsg(descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (taken < 0 && errno == EINTR);
    if (taken < 0) return -errno;
    *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < number; index++) {
            int one;
            memcpy(&one, CMSG_DATA(header) + index * sizeof(int), sizeof one);
            // There are never more; if there were, they must not stay open.
            if (*received < most) {
                descriptors[(*received)++] = one;
            } else {
                close(one);
            }
        }
    }
    return taken;
}

int spork_peer_credentials(int descriptor, pid_t *process, uid_t *user, gid_t *group) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return -errno;
    *process = credentials.pid;
    *user = credentials.uid;
    *group = credentials.gid;
    return 0;
}
