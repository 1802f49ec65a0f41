// SPDX-License-Identifier: MIT
// Reading and replacing whole files with plain POSIX calls.
#include "file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

const char *pe_file_type(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "link";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFCHR:
        return "character device";
    default:
        return "block device";
    }
}

static int refuse_type(mode_t mode, struct pe_file_reason *reason) {
    snprintf(reason->text, sizeof reason->text, "it is a %s, expected a regular file", pe_file_type(mode));
    return S_ISDIR(mode) ? -EISDIR : -EINVAL;
}

static int refuse_size(size_t max, struct pe_file_reason *reason) {
    snprintf(reason->text, sizeof reason->text, "it is larger than the limit of %zu bytes", max);
    return -EFBIG;
}

static int refuse_mode(const char *path, mode_t mode, mode_t forbidden, struct pe_file_reason *reason) {
    bool is_group_forbidden = forbidden & S_IRWXG;
    snprintf(reason->text, sizeof reason->text,
             "its mode %04o lets %s in, expected to be private (in a Kubernetes volume: defaultMode: %s): chmod %s %s",
             mode & 07777, is_group_forbidden ? "group or others" : "others", is_group_forbidden ? "0400" : "0440",
             is_group_forbidden ? "go-rwx" : "o-rwx", path);
    return -EACCES;
}

static ssize_t read_some(int fd, char *bytes, size_t size) {
    ssize_t count;
    do count = read(fd, bytes, size);
    while (count < 0 && errno == EINTR);
    return count;
}

// Reads to the end, whatever size the file had when it was opened: it may grow, and one in /proc says 0.
static int read_to_end(int fd, size_t expected, size_t max, char **bytes, size_t *length) {
    size_t room = 0;
    ssize_t count;
    do {
        if (*length == room) {
            room = room ? room * 2 : expected + 1;
            if (room > max + 1) room = max + 1;
            char *larger = realloc(*bytes, room);
            if (!larger) return -ENOMEM;
            *bytes = larger;
        }
        count = read_some(fd, *bytes + *length, room - *length);
        if (count > 0) *length += (size_t)count;
    } while (count > 0 && *length <= max);
    if (count < 0) return -errno;
    return *length > max ? -EFBIG : 0;
}

int pe_file_read(const char *path, size_t max, mode_t forbidden, char **bytes, size_t *length,
                 struct pe_file_reason *reason) {
    struct stat found;
    int status = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *bytes = NULL;
    *length = 0;
    if (fd < 0 && errno == ENXIO) return refuse_type(S_IFSOCK, reason);
    if (fd < 0) return -errno;
    if (fstat(fd, &found))
        status = -errno;
    else if (!S_ISREG(found.st_mode))
        status = refuse_type(found.st_mode, reason);
    else if (found.st_mode & forbidden)
        status = refuse_mode(path, found.st_mode, forbidden, reason);
    else if ((size_t)found.st_size > max)
        status = refuse_size(max, reason);
    else if ((status = read_to_end(fd, (size_t)found.st_size, max, bytes, length)) == -EFBIG)
        refuse_size(max, reason);
    close(fd);
    if (!status) return 0;
    free(*bytes);
    *bytes = NULL;
    return status;
}

static int write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t count = write(fd, bytes, length);
        if (count < 0 && errno != EINTR) return -errno;
        if (count < 0) continue;
        bytes += count;
        length -= (size_t)count;
    }
    return fsync(fd) ? -errno : 0;
}

static int make_temporary(const char *path, const char *bytes, size_t length, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return -errno;
    int status = write_all(fd, bytes, length);
    if (close(fd) && !status) status = -errno;
    if (status) unlink(path);
    return status;
}

// A new name is only as durable as its folder; some file systems, and folders that we cannot read, do not offer that.
static int sync_folder(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return 0;
    int status = fsync(fd) && errno != EINVAL && errno != EROFS ? -errno : 0;
    close(fd);
    return status;
}

static int put(const char *path, const char *bytes, size_t length, mode_t mode, bool exclusive) {
    char folder[PATH_MAX], temporary[PATH_MAX + 40];
    const char *slash = strrchr(path, '/');
    uint64_t random;
    int status;
    if (strlen(path) >= sizeof folder) return -ENAMETOOLONG;
    if (getrandom(&random, sizeof random, 0) != sizeof random) return -EIO;
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    snprintf(temporary, sizeof temporary, "%s/.peerage-%016llx.tmp", folder, (unsigned long long)random);
    if ((status = make_temporary(temporary, bytes, length, mode))) return status;
    if (exclusive ? link(temporary, path) : rename(temporary, path)) status = -errno;
    if (status || exclusive) unlink(temporary);
    return status ? status : sync_folder(folder);
}

int pe_file_write(const char *path, const char *bytes, size_t length, mode_t mode, bool exclusive,
                  struct pe_file_reason *reason) {
    struct stat found;
    if (exclusive) return put(path, bytes, length, mode, true);
    if (lstat(path, &found)) return errno == ENOENT ? put(path, bytes, length, mode, false) : -errno;
    char *target = realpath(path, NULL);
    if (!target && errno == ENOENT) strcpy(reason->text, "it is a symbolic link that leads nowhere");
    if (!target) return -errno;
    int status = stat(target, &found) ? -errno : 0;
    if (!status && !S_ISREG(found.st_mode)) status = refuse_type(found.st_mode, reason);
    if (!status) status = put(target, bytes, length, mode, false);
    free(target);
    return status;
}
