/* SPDX-License-Identifier: ISC
 *
 * Hooks of files: open, read, write, close, sync, and the descriptors that come and go.
 */
#include "preload.h"

#include <fcntl.h>
#include <stdarg.h>

/* ---- open ------------------------------------------------------------------------------------------------------ */

/* The kernel has read the path when the call succeeds or fails for what the path leads to. After the errors that it
 * gives before it has, or because it could not, the address may be bad, and the path is left out. */
static const char *readable_path(const char *path, int error)
{
    switch (error) {
    case 0:
    case ENOENT:
    case EEXIST:
    case EACCES:
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
    case EMFILE:
    case ENFILE:
    case EROFS:
    case ENXIO:
    case EBUSY:
    case ETXTBSY:
    case ENOSPC:
        return path;
    default:
        return NULL;
    }
}

static void emit_open(const struct libc_call *call, const char *path, int flags, int fd)
{
    libc_trace_open_at(call->end, readable_path(path, call->error), (uint32_t)flags, fd, call->error, call->took);
    if (fd >= 0)
        libc_trace_fd_state_at(call->end, (uint64_t)fd, 0, LIBC_FD_FILE);
}

#define OPEN(real_call) LIBC_CALL(open, int, real_call, result < 0, emit_open(&call, path, flags, result))

/* What the caller passed after the flags, if these say that it did. */
#define MODE_ARGUMENT(mode) \
    mode_t mode = 0; \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list list; \
        va_start(list, flags); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }

HOOK int open(const char *path, int flags, ...)
{
    MODE_ARGUMENT(mode)
    OPEN(libc_real.open(path, flags, mode));
}

HOOK int open64(const char *path, int flags, ...)
{
    MODE_ARGUMENT(mode)
    OPEN(libc_real.open64(path, flags, mode));
}

HOOK int openat(int directory, const char *path, int flags, ...)
{
    MODE_ARGUMENT(mode)
    OPEN(libc_real.openat(directory, path, flags, mode));
}

HOOK int openat64(int directory, const char *path, int flags, ...)
{
    MODE_ARGUMENT(mode)
    OPEN(libc_real.openat64(directory, path, flags, mode));
}

/* What the compiler calls instead under _FORTIFY_SOURCE, when no mode is given. */
HOOK int __open_2(const char *path, int flags);
HOOK int __open_2(const char *path, int flags)
{
    OPEN(libc_real.__open_2(path, flags));
}
HOOK int __open64_2(const char *path, int flags);
HOOK int __open64_2(const char *path, int flags)
{
    OPEN(libc_real.__open64_2(path, flags));
}
HOOK int __openat_2(int directory, const char *path, int flags);
HOOK int __openat_2(int directory, const char *path, int flags)
{
    OPEN(libc_real.__openat_2(directory, path, flags));
}
HOOK int __openat64_2(int directory, const char *path, int flags);
HOOK int __openat64_2(int directory, const char *path, int flags)
{
    OPEN(libc_real.__openat64_2(directory, path, flags));
}

#define CREAT_FLAGS (O_CREAT | O_WRONLY | O_TRUNC)

HOOK int creat(const char *path, mode_t mode)
{
    const int flags = CREAT_FLAGS;
    OPEN(libc_real.creat(path, mode));
}

HOOK int creat64(const char *path, mode_t mode)
{
    const int flags = CREAT_FLAGS;
    OPEN(libc_real.creat64(path, mode));
}

/* ---- close ----------------------------------------------------------------------------------------------------- */

/* Stamped at its start: from then on another thread may be given the number. */
static void emit_close(const struct libc_call *call, int fd)
{
    libc_trace_close_at(call->start, fd, call->error, call->took);
    if (call->error != EBADF)
        libc_trace_fd_gone_at(call->start, (uint64_t)fd);
}

HOOK int close(int fd)
{
    LIBC_CALL(close, int, libc_real.close(fd), result < 0, emit_close(&call, fd));
}

/* ---- descriptors without a call event of their own -------------------------------------------------------------- */

#define NEW_FD(real_call, kind) \
    LIBC_CALL(fd_state, int, real_call, result < 0, \
              if (result >= 0) libc_trace_fd_state_at(call.end, (uint64_t)result, 0, kind))

HOOK int dup(int fd)
{
    NEW_FD(libc_real.dup(fd), LIBC_FD_DUPLICATE);
}

HOOK int dup2(int fd, int to)
{
    NEW_FD(libc_real.dup2(fd, to), LIBC_FD_DUPLICATE);
}

HOOK int dup3(int fd, int to, int flags)
{
    NEW_FD(libc_real.dup3(fd, to, flags), LIBC_FD_DUPLICATE);
}

HOOK int socket(int domain, int type, int protocol)
{
    NEW_FD(libc_real.socket(domain, type, protocol), LIBC_FD_SOCKET);
}

static void emit_pipe(const struct libc_call *call, const int fds[2])
{
    if (call->error)
        return;
    libc_trace_fd_state_at(call->end, (uint64_t)fds[0], 0, LIBC_FD_PIPE);
    libc_trace_fd_state_at(call->end, (uint64_t)fds[1], 0, LIBC_FD_PIPE);
}

HOOK int pipe(int fds[2])
{
    LIBC_CALL(fd_state, int, libc_real.pipe(fds), result < 0, emit_pipe(&call, fds));
}

HOOK int pipe2(int fds[2], int flags)
{
    LIBC_CALL(fd_state, int, libc_real.pipe2(fds, flags), result < 0, emit_pipe(&call, fds));
}

/* ---- read and write -------------------------------------------------------------------------------------------- */

#define TRANSFER(event, real_call) \
    LIBC_CALL(event, ssize_t, real_call, result < 0, \
              libc_trace_##event##_at(call.end, fd, bytes, result, call.error, call.took))
#define TRANSFER_AT(event, real_call) \
    LIBC_CALL(event, ssize_t, real_call, result < 0, \
              libc_trace_##event##_at(call.end, fd, bytes, offset, result, call.error, call.took))
#define TRANSFER_PARTS(event, offset_, real_call) \
    LIBC_CALL(event, ssize_t, real_call, result < 0, \
              libc_trace_##event##_at(call.end, fd, count, offset_, result, call.error, call.took))

HOOK ssize_t read(int fd, void *data, size_t bytes)
{
    TRANSFER(read, libc_real.read(fd, data, bytes));
}

HOOK ssize_t write(int fd, const void *data, size_t bytes)
{
    TRANSFER(write, libc_real.write(fd, data, bytes));
}

HOOK ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
    TRANSFER_AT(pread, libc_real.pread(fd, data, bytes, offset));
}

HOOK ssize_t pread64(int fd, void *data, size_t bytes, off64_t offset)
{
    TRANSFER_AT(pread, libc_real.pread64(fd, data, bytes, offset));
}

HOOK ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    TRANSFER_AT(pwrite, libc_real.pwrite(fd, data, bytes, offset));
}

HOOK ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset)
{
    TRANSFER_AT(pwrite, libc_real.pwrite64(fd, data, bytes, offset));
}

HOOK ssize_t __read_chk(int fd, void *data, size_t bytes, size_t room);
HOOK ssize_t __read_chk(int fd, void *data, size_t bytes, size_t room)
{
    TRANSFER(read, libc_real.__read_chk(fd, data, bytes, room));
}
HOOK ssize_t __pread_chk(int fd, void *data, size_t bytes, off_t offset, size_t room);
HOOK ssize_t __pread_chk(int fd, void *data, size_t bytes, off_t offset, size_t room)
{
    TRANSFER_AT(pread, libc_real.__pread_chk(fd, data, bytes, offset, room));
}
HOOK ssize_t __pread64_chk(int fd, void *data, size_t bytes, off64_t offset, size_t room);
HOOK ssize_t __pread64_chk(int fd, void *data, size_t bytes, off64_t offset, size_t room)
{
    TRANSFER_AT(pread, libc_real.__pread64_chk(fd, data, bytes, offset, room));
}

HOOK ssize_t readv(int fd, const struct iovec *parts, int count)
{
    TRANSFER_PARTS(readv, -1, libc_real.readv(fd, parts, count));
}

HOOK ssize_t writev(int fd, const struct iovec *parts, int count)
{
    TRANSFER_PARTS(writev, -1, libc_real.writev(fd, parts, count));
}

HOOK ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
    TRANSFER_PARTS(readv, offset, libc_real.preadv(fd, parts, count, offset));
}

HOOK ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    TRANSFER_PARTS(readv, offset, libc_real.preadv64(fd, parts, count, offset));
}

HOOK ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    TRANSFER_PARTS(writev, offset, libc_real.pwritev(fd, parts, count, offset));
}

HOOK ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    TRANSFER_PARTS(writev, offset, libc_real.pwritev64(fd, parts, count, offset));
}

/* ---- sync ------------------------------------------------------------------------------------------------------ */

#define SYNC(data, real_call) \
    do { \
        if (!LIBC_WAIT_WANTED(fsync)) \
            return real_call; \
        LIBC_WAIT(fsync, int, real_call, LIBC_ARGS(fd, data), LIBC_ARGS(result < 0 ? error : 0)); \
    } while (0)

HOOK int fsync(int fd)
{
    SYNC(false, libc_real.fsync(fd));
}

HOOK int fdatasync(int fd)
{
    SYNC(true, libc_real.fdatasync(fd));
}
