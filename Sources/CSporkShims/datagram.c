// Many datagrams in one system call. Here because struct mmsghdr is behind _GNU_SOURCE; the memory is the caller's. EINTR is
// repeated, every other error goes back as a negated errno.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <errno.h>
#include <sys/socket.h>

#define SAME(ours, theirs) \
    _Static_assert(offsetof(SporkMessage, ours) == offsetof(struct mmsghdr, theirs), "SporkMessage is struct mmsghdr")
_Static_assert(sizeof(SporkMessage) == sizeof(struct mmsghdr), "SporkMessage is struct mmsghdr");
SAME(header.name, msg_hdr.msg_name);
SAME(header.name_length, msg_hdr.msg_namelen);
SAME(header.parts, msg_hdr.msg_iov);
SAME(header.part_count, msg_hdr.msg_iovlen);
SAME(header.control, msg_hdr.msg_control);
SAME(header.control_length, msg_hdr.msg_controllen);
SAME(header.flags, msg_hdr.msg_flags);
SAME(length, msg_len);

int spork_send_many(int descriptor, SporkMessage *messages, unsigned int count) {
    int sent;
    do {
        sent = sendmmsg(descriptor, (struct mmsghdr *)messages, count, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

int spork_receive_many(int descriptor, SporkMessage *messages, unsigned int count) {
    int received;
    do {
        received = recvmmsg(descriptor, (struct mmsghdr *)messages, count, MSG_DONTWAIT | MSG_TRUNC, NULL);
    } while (received < 0 && errno == EINTR);
    return received < 0 ? -errno : received;
}
