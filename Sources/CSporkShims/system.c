// System calls that Swift does not import: variadic ones, and those behind _GNU_SOURCE. Thin: no policy, no state; EINTR
// is repeated here, every other error goes back as a negated errno.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int spork_accept(int listener) {
    int descriptor;
    do {
        descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
}

static int open_beneath(int root, const char *path, uint64_t flags) {
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long descriptor;
    // EAGAIN: a rename raced with the walk; the kernel asks for another try.
    int tries = 0;
    do {
        descriptor = syscall(SYS_openat2, root, path, &how, sizeof how);
    } while (descriptor < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 64)));
    return descriptor < 0 ? -errno : (int)descriptor;
}

int spork_open_beneath(int root, const char *path) {
    return open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

int spork_open_directory(const char *path) {
    int descriptor;
    do {
        descriptor = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
}

int spork_open_read(const char *path) {
    int descriptor;
    do {
        descriptor = open(path, O_RDONLY | O_CLOEXEC);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
}

static void copy_status(const struct stat *from, SporkFileStatus *to) {
    *to = (SporkFileStatus){
        .device = from->st_dev,
        .inode = from->st_ino,
        .size = from->st_size,
        .modified_seconds = from->st_mtim.tv_sec,
        .modified_nanoseconds = from->st_mtim.tv_nsec,
        .changed_seconds = from->st_ctim.tv_sec,
        .changed_nanoseconds = from->st_ctim.tv_nsec,
        .is_regular = S_ISREG(from->st_mode),
        .is_directory = S_ISDIR(from->st_mode),
        .is_link = S_ISLNK(from->st_mode),
    };
}

int spork_stat_at(int root, const char *path, bool follow, SporkFileStatus *status) {
    struct stat found;
    if (fstatat(root, path, &found, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    copy_status(&found, status);
    return 0;
}

int spork_stat_beneath(int root, const char *path, SporkFileStatus *status) {
    int descriptor = open_beneath(root, path, O_PATH);
    if (descriptor < 0) return descriptor;
    int result = spork_stat(descriptor, status);
    close(descriptor);
    return result;
}

int spork_stat(int descriptor, SporkFileStatus *status) {
    struct stat found;
    if (fstat(descriptor, &found) < 0) return -errno;
    copy_status(&found, status);
    return 0;
}

ssize_t spork_send(int descriptor, const void *bytes, size_t count, bool more) {
    ssize_t sent;
    do {
        sent = send(descriptor, bytes, count, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

ssize_t spork_send_two(int descriptor, const void *first, size_t first_count, const void *second, size_t second_count) {
    SporkPiece pieces[2] = {{first, first_count}, {second, second_count}};
    return spork_send_vector(descriptor, pieces, 2);
}

_Static_assert(
    sizeof(SporkPiece) == sizeof(struct iovec) && offsetof(SporkPiece, count) == offsetof(struct iovec, iov_len),
    "a piece is an iovec");

ssize_t spork_send_vector(int descriptor, const SporkPiece *pieces, size_t count) {
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
    ssize_t sent;
    do {
        sent = sendmsg(descriptor, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

ssize_t spork_send_file(int descriptor, int file, int64_t offset, size_t count) {
    off_t position = offset;
    ssize_t sent;
    do {
        sent = sendfile(descriptor, file, &position, count);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

int spork_terminal_width(int descriptor) {
    struct winsize size;
    if (!isatty(descriptor)) return 0;
    if (ioctl(descriptor, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

const char *spork_error_name(int number) { return strerrorname_np(number); }
