// SPDX-License-Identifier: MIT
/// What is done with files and folders, in plain system calls. Knows no Lua; blocks, so it belongs on the thread pool.
#pragma once

#include <stddef.h>
#include <sys/stat.h>

struct pe_file {
    const char *path;
    const char *data;   // write: the bytes
    size_t size;        // write: how many; read: how many at most
    mode_t mode;        // write: of the new file, less the umask; read: what its permissions must not have
    struct statx found; // result: what is at `path`; all zero if that is not known
    char *text;         // result, or NULL; the caller frees it
    size_t length;
};

struct pe_file_verb {
    const char *name;
    int (*run)(struct pe_file *file); // returns 0 or a negative libuv code
};

/// All of them, up to one without a name.
///   stat, lstat         what is there
///   realpath, readlink  a path, as text
///   list                the names in a folder as text, each with its zero byte, sorted by byte value
///   read                the bytes of a regular file that is private enough; hangs on no fifo. Refused by what was
///                       found: EISDIR or EINVAL, EFBIG, EACCES with `found`
///   replace             puts a new file in the place of the one at `path`, or of the one that a symlink there leads
///                       to. A failure leaves what was, and no temporary file
///   create              the same where nothing may be, not even a symlink
extern const struct pe_file_verb pe_file_verbs[];
