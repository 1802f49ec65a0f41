// SPDX-License-Identifier: MIT
/// Whole files: read with checks on the opened file, replaced in one step. Knows no Lua; blocks, so it belongs on the
/// thread pool. All return 0 or a negative libuv code.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/// Why a file was refused, where the code alone would not say: "it is a fifo, expected a regular file". Else empty.
struct pe_file_reason {
    char text[512];
};

/// "file", "directory", "link", "fifo", "socket", "character device", "block device".
const char *pe_file_type(mode_t mode);

/// Reads the regular file at `path`, refusing one of more than `max` bytes or with one of the permission bits
/// `forbidden`. Never blocks on a fifo. On success the caller frees `*bytes`.
int pe_file_read(const char *path, size_t max, mode_t forbidden, char **bytes, size_t *length,
                 struct pe_file_reason *reason);

/// Puts a new file with `mode` (less the umask) in the place of the one at `path`, or of the one that a symlink there
/// leads to. `exclusive`: nothing may be there, not even a symlink. A failure leaves what was, and no temporary file.
int pe_file_write(const char *path, const char *bytes, size_t length, mode_t mode, bool exclusive,
                  struct pe_file_reason *reason);
