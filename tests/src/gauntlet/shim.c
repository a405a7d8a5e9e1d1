/* The shim: stands between the host and the system (LD_PRELOAD). It counts calls and kills at the n-th, forgets what
 * was not synced as a power cut does, answers "disk full" and "I/O error", and makes syncs slow.
 *
 * It is told what to do through a page that it shares with whoever started the host (see shim.rs). Only files below
 * one folder are forgotten or fail. Not modelled: removals that a power cut takes back; writes through memory maps
 * (of the host's files only SQLite's -shm, which is worth nothing after a restart). */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define SECTOR 512
#define BUCKETS 1024

/* In the order of shim.rs. */
struct page {
    _Atomic uint64_t count;       /* calls counted so far */
    _Atomic uint64_t kill_at;     /* die at this count */
    _Atomic uint64_t cut_at;      /* lose power at this count */
    _Atomic uint64_t cut_seed;    /* 0: all that was not synced is lost; else each sector by the toss of a coin */
    _Atomic uint64_t full;        /* the disk is full */
    _Atomic uint64_t fail_sync;   /* the n-th sync from now fails */
    _Atomic uint64_t fail_write;  /* the n-th write to a file from now fails */
    _Atomic uint64_t slow_sync;   /* milliseconds that each sync takes longer */
    _Atomic uint64_t syncs;       /* syncs of files */
    _Atomic uint64_t log_syncs;   /* of these, of the database's log */
    _Atomic uint64_t lost;        /* sectors that the cut took back */
    _Atomic uint64_t failed;      /* calls that were made to fail */
    _Atomic uint64_t lost_names;  /* new names and renames that the cut took back */
};

static struct page nothing, *page = &nothing;
static char folder[PATH_MAX], side[PATH_MAX];
static size_t folder_length;
static int forgets;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int dead;

#define REAL(name) static __typeof__(&name) real_##name
REAL(write); REAL(writev); REAL(pwrite64); REAL(pwrite); REAL(fsync); REAL(fdatasync); REAL(send); REAL(sendto);
REAL(sendmsg); REAL(rename); REAL(ftruncate); REAL(ftruncate64); REAL(open); REAL(open64); REAL(openat);
REAL(openat64);

static void find_real(void) {
#define FIND(name) if (!real_##name) real_##name = (__typeof__(real_##name))dlsym(RTLD_NEXT, #name)
    FIND(write); FIND(writev); FIND(pwrite64); FIND(pwrite); FIND(fsync); FIND(fdatasync); FIND(send); FIND(sendto);
    FIND(sendmsg); FIND(rename); FIND(ftruncate); FIND(ftruncate64); FIND(open); FIND(open64); FIND(openat);
    FIND(openat64);
}

static void find_left(void);

__attribute__((constructor)) static void begin(void) {
    find_real();
    const char *control = getenv("JACKFIELD_TEST_SHIM"), *below = getenv("JACKFIELD_TEST_SHIM_FOLDER");
    if (!control || !below) return;
    forgets = getenv("JACKFIELD_TEST_SHIM_FORGETS") != NULL;
    snprintf(folder, sizeof folder, "%s/", below);
    folder_length = strlen(folder);
    snprintf(side, sizeof side, "%s.side", control);
    mkdir(side, 0700);
    int fd = real_open(control, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void *shared = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) abort();
    close(fd);
    page = shared;
    if (forgets) find_left();
    /* Processes that the host starts are not the host. */
    unsetenv("LD_PRELOAD");
}

static _Noreturn void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What a file held when it was last synced, where it was written since. */
struct old { struct old *next; uint64_t at; uint32_t length; unsigned char bytes[PAGE]; };

struct file {
    struct file *next;
    dev_t device;
    ino_t inode;
    int fd;             /* ours, for reading and writing */
    int watched;
    int is_log;
    uint64_t size;      /* when it was last synced */
    struct old *old[BUCKETS];
};

/* A new name, or a rename, that a sync of its folder makes last. */
struct name { struct name *next; char parent[PATH_MAX], path[PATH_MAX], from[PATH_MAX], replaced[PATH_MAX]; };

static struct file *files;
static struct name *names;

static int ends_with(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return -1;
    path[length] = 0;
    return 0;
}

static int is_watched(const char *path) {
    return strncmp(path, folder, folder_length) == 0 && !ends_with(path, "-shm") && !ends_with(path, ".log");
}

/* The file behind a descriptor if it is one of the folder's, else none. Called with the lock held. */
static struct file *file_of(int fd) {
    struct stat s;
    if (page == &nothing || fd < 3 || fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) return NULL;
    for (struct file *f = files; f; f = f->next)
        if (f->inode == s.st_ino && f->device == s.st_dev) return f->watched ? f : NULL;
    char path[PATH_MAX], link[64];
    if (path_of(fd, path) != 0) return NULL;
    struct file *f = calloc(1, sizeof *f);
    f->device = s.st_dev;
    f->inode = s.st_ino;
    f->watched = is_watched(path);
    f->is_log = ends_with(path, "-wal");
    f->size = (uint64_t)s.st_size;
    f->fd = -1;
    if (f->watched) {
        /* Never closed: closing any descriptor of a file gives up the locks that SQLite holds on it. */
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        f->fd = real_open(link, O_RDWR | O_CLOEXEC);
        if (f->fd < 0) f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    }
    f->next = files;
    files = f;
    return f->watched ? f : NULL;
}

static struct old **find(struct file *f, uint64_t at) {
    struct old **o = &f->old[(at / PAGE) % BUCKETS];
    while (*o && (*o)->at != at) o = &(*o)->next;
    return o;
}

/* Keeps what is where something is about to be written. */
static void keep(struct file *f, uint64_t from, uint64_t length) {
    if (!forgets || length == 0) return;
    uint64_t end = from + length < f->size ? from + length : f->size;
    for (uint64_t at = from / PAGE * PAGE; at < end; at += PAGE) {
        struct old **o = find(f, at);
        if (*o) continue;
        struct old *new = calloc(1, sizeof *new);
        new->at = at;
        uint64_t most = f->size - at < PAGE ? f->size - at : PAGE;
        ssize_t got = pread(f->fd, new->bytes, most, (off_t)at);
        new->length = got > 0 ? (uint32_t)got : 0;
        *o = new;
    }
}

static void synced(struct file *f) {
    struct stat s;
    for (int i = 0; i < BUCKETS; i++) {
        for (struct old *o = f->old[i], *next; o; o = next) { next = o->next; free(o); }
        f->old[i] = NULL;
    }
    if (fstat(f->fd, &s) == 0) f->size = (uint64_t)s.st_size;
}

static uint64_t random_state;
static uint64_t toss(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Takes back what was not synced: all of it, or sector by sector as a disk may have it. */
static void forget(struct file *f, int some) {
    struct stat s;
    if (fstat(f->fd, &s) != 0) return;
    for (int i = 0; i < BUCKETS; i++)
        for (struct old *o = f->old[i]; o; o = o->next)
            for (uint32_t at = 0; at < o->length; at += SECTOR) {
                if (some && toss() % 2) continue;
                uint32_t most = o->length - at < SECTOR ? o->length - at : SECTOR;
                if (real_pwrite64(f->fd, o->bytes + at, most, (off_t)(o->at + at)) > 0) page->lost++;
            }
    uint64_t now = (uint64_t)s.st_size, size = f->size;
    if (now > f->size && some) {
        /* The file became longer by some of it, torn anywhere; what was not written is zeros. */
        static const unsigned char zeros[SECTOR];
        size += toss() % (now - f->size + 1);
        for (uint64_t at = (f->size + SECTOR - 1) / SECTOR * SECTOR; at + SECTOR <= size; at += SECTOR)
            if (toss() % 2 && real_pwrite64(f->fd, zeros, SECTOR, (off_t)at) > 0) page->lost++;
    }
    if (now != size && real_ftruncate64(f->fd, (off_t)size) == 0) page->lost += now > size ? (now - size + SECTOR - 1) / SECTOR : 0;
}

/* A process that is killed leaves what it had not synced to the next one, and that is not on disk either. */
static void leave(void) {
    for (struct file *f = files; f; f = f->next) {
        struct stat s;
        char path[PATH_MAX], name[PATH_MAX];
        if (!f->watched || fstat(f->fd, &s) != 0 || path_of(f->fd, path) != 0) continue;
        int dirty = (uint64_t)s.st_size != f->size;
        for (int i = 0; i < BUCKETS && !dirty; i++) dirty = f->old[i] != NULL;
        if (!dirty) continue;
        snprintf(name, PATH_MAX, "%.3900s/left-%ju", side, (uintmax_t)f->inode);
        int fd = real_open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0) continue;
        if (real_write(fd, path, PATH_MAX) < 0 || real_write(fd, &f->size, sizeof f->size) < 0) continue;
        for (int i = 0; i < BUCKETS; i++)
            for (struct old *o = f->old[i]; o; o = o->next)
                if (real_write(fd, o, sizeof *o) < 0) return;
    }
}

static void find_left(void) {
    DIR *all = opendir(side);
    for (struct dirent *entry; all && (entry = readdir(all));) {
        char name[PATH_MAX], path[PATH_MAX];
        struct old o;
        if (strncmp(entry->d_name, "left-", 5) != 0) continue;
        snprintf(name, PATH_MAX, "%.3800s/%.200s", side, entry->d_name);
        int fd = real_open(name, O_RDONLY | O_CLOEXEC);
        uint64_t size;
        if (read(fd, path, PATH_MAX) == PATH_MAX && read(fd, &size, sizeof size) == sizeof size) {
            int its = real_open(path, O_RDWR | O_CLOEXEC);
            struct file *f = its >= 0 ? file_of(its) : NULL;
            while (f && read(fd, &o, sizeof o) == sizeof o) {
                struct old *kept = malloc(sizeof *kept);
                *kept = o;
                kept->next = NULL;
                *find(f, o.at) = kept;
            }
            if (f) f->size = size;
        }
        close(fd);
        unlink(name);
    }
    if (all) closedir(all);
}

/* The power goes: called once, never returns. */
static _Noreturn void cut(void) {
    pthread_mutex_lock(&lock);
    atomic_store(&dead, 1);
    random_state = page->cut_seed * 0x9e3779b97f4a7c15u + 1;
    int some = page->cut_seed != 0;
    for (struct file *f = files; f; f = f->next)
        if (f->watched) forget(f, some);
    for (struct name *n = names; n; n = n->next) {
        if (some && toss() % 2) continue;
        page->lost_names++;
        if (n->from[0]) {
            real_rename(n->path, n->from);
            if (n->replaced[0]) real_rename(n->replaced, n->path);
        } else {
            unlink(n->path);
        }
    }
    die();
}

/* Counts a call before it is made, and ends the process when its time has come. */
static void counted(void) {
    if (page == &nothing) return;
    if (atomic_load(&dead)) for (;;) pause();
    uint64_t now = atomic_fetch_add(&page->count, 1) + 1;
    if (page->kill_at && now >= page->kill_at) {
        if (forgets) {
            pthread_mutex_lock(&lock);
            atomic_store(&dead, 1);
            leave();
        }
        die();
    }
    if (page->cut_at && now >= page->cut_at) cut();
}

/* Whether this is the call that is to fail. */
static int its_turn(_Atomic uint64_t *left) {
    uint64_t have = atomic_load(left);
    while (have > 0)
        if (atomic_compare_exchange_weak(left, &have, have - 1)) {
            if (have == 1) { page->failed++; return 1; }
            return 0;
        }
    return 0;
}

/* Whether a write to a file of the folder fails, with errno. Called with the lock held. */
static int refused(struct file *f) {
    if (!f) return 0;
    if (page->full) { page->failed++; errno = ENOSPC; return 1; }
    if (its_turn(&page->fail_write)) { errno = EIO; return 1; }
    return 0;
}

static int counts(int fd) {
    struct stat s;
    return page != &nothing && fd > 2 && fstat(fd, &s) == 0 && (S_ISREG(s.st_mode) || S_ISSOCK(s.st_mode));
}

static uint64_t place(int fd, struct file *f) {
    struct stat s;
    if (fcntl(fd, F_GETFL) & O_APPEND) return fstat(f->fd, &s) == 0 ? (uint64_t)s.st_size : 0;
    off_t at = lseek(fd, 0, SEEK_CUR);
    return at < 0 ? 0 : (uint64_t)at;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    find_real();
    if (!counts(fd)) return real_write(fd, bytes, length);
    counted();
    pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    ssize_t done = -1;
    if (!refused(f)) {
        if (f) keep(f, place(fd, f), length);
        done = real_write(fd, bytes, length);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    find_real();
    if (!counts(fd)) return real_writev(fd, parts, count);
    counted();
    pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    ssize_t done = -1;
    if (!refused(f)) {
        size_t length = 0;
        for (int i = 0; i < count; i++) length += parts[i].iov_len;
        if (f) keep(f, place(fd, f), length);
        done = real_writev(fd, parts, count);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    find_real();
    if (!counts(fd)) return real_pwrite64(fd, bytes, length, at);
    counted();
    pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    ssize_t done = -1;
    if (!refused(f)) {
        if (f) keep(f, (uint64_t)at, length);
        done = real_pwrite64(fd, bytes, length, at);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }

static int truncated(int fd, off_t to) {
    pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    struct stat s;
    int done = -1;
    int grows = f && fstat(fd, &s) == 0 && to > s.st_size;
    if (!grows || !refused(f)) {
        if (f && (uint64_t)to < f->size) keep(f, (uint64_t)to, f->size - (uint64_t)to);
        done = real_ftruncate64(fd, to);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t to) { find_real(); return page == &nothing ? real_ftruncate(fd, to) : truncated(fd, to); }
int ftruncate64(int fd, off64_t to) { find_real(); return page == &nothing ? real_ftruncate64(fd, to) : truncated(fd, to); }

static void folder_synced(const char *path) {
    for (struct name **n = &names; *n;) {
        if (strcmp((*n)->parent, path) == 0) {
            struct name *gone = *n;
            if (gone->replaced[0]) unlink(gone->replaced);
            *n = gone->next;
            free(gone);
        } else n = &(*n)->next;
    }
}

static int sync_of(int fd, int (*real)(int)) {
    struct stat s;
    if (page == &nothing || fstat(fd, &s) != 0) return real(fd);
    counted();
    uint64_t slow = page->slow_sync;
    if (slow) usleep((useconds_t)slow * 1000);
    if (S_ISDIR(s.st_mode)) {
        char path[PATH_MAX];
        pthread_mutex_lock(&lock);
        if (path_of(fd, path) == 0) folder_synced(path);
        pthread_mutex_unlock(&lock);
        return forgets ? 0 : real(fd);
    }
    pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    if (f) {
        page->syncs++;
        if (f->is_log) page->log_syncs++;
        if (its_turn(&page->fail_sync)) {
            pthread_mutex_unlock(&lock);
            errno = EIO;
            return -1;
        }
        synced(f);
    }
    pthread_mutex_unlock(&lock);
    /* The system does not lose its power: what counts is what the shim knows. */
    return f && forgets ? 0 : real(fd);
}

int fsync(int fd) { find_real(); return sync_of(fd, real_fsync); }
int fdatasync(int fd) { find_real(); return sync_of(fd, real_fdatasync); }

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    find_real();
    counted();
    return real_send(fd, bytes, length, flags);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    find_real();
    counted();
    return real_sendto(fd, bytes, length, flags, to, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    find_real();
    counted();
    return real_sendmsg(fd, message, flags);
}

static void parent_of(const char *path, char *parent) {
    snprintf(parent, PATH_MAX, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash) *slash = 0;
}

/* Called with the lock held. */
static void new_name(const char *path, const char *from, const char *replaced) {
    struct name *n = calloc(1, sizeof *n);
    snprintf(n->path, PATH_MAX, "%s", path);
    snprintf(n->from, PATH_MAX, "%s", from ? from : "");
    snprintf(n->replaced, PATH_MAX, "%s", replaced ? replaced : "");
    parent_of(path, n->parent);
    n->next = names; /* the newest first: they are taken back in this order */
    names = n;
}

int rename(const char *from, const char *to) {
    static unsigned number;
    find_real();
    if (page == &nothing) return real_rename(from, to);
    counted();
    if (!forgets || !is_watched(to)) return real_rename(from, to);
    pthread_mutex_lock(&lock);
    char replaced[PATH_MAX] = "";
    snprintf(replaced, PATH_MAX, "%.3900s/%d-%u", side, getpid(), number++);
    if (link(to, replaced) != 0) replaced[0] = 0;
    int done = real_rename(from, to);
    if (done == 0) new_name(to, from, replaced);
    else if (replaced[0]) unlink(replaced);
    pthread_mutex_unlock(&lock);
    return done;
}

/* Notes files that an open makes. */
static int opened(int at, const char *path, int flags, mode_t mode, int (*real)(int, const char *, int, ...)) {
    int makes = (flags & O_CREAT) && path[0] == '/' && page != &nothing && is_watched(path);
    if (!makes) return real(at, path, flags, mode);
    counted();
    pthread_mutex_lock(&lock);
    struct stat s;
    int there = stat(path, &s) == 0, fd = -1;
    if (!there && page->full) {
        page->failed++;
        errno = ENOSPC;
    } else {
        if (there && (flags & O_TRUNC) && forgets) {
            int old = real_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
            struct file *f = old >= 0 ? file_of(old) : NULL;
            if (f) keep(f, 0, f->size);
            /* Left open: see file_of. */
        }
        fd = real(at, path, flags, mode);
        if (fd >= 0 && !there && forgets) new_name(path, NULL, NULL);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(flags); find_real(); return opened(AT_FDCWD, path, flags, mode, real_openat); }
int open64(const char *path, int flags, ...) { MODE(flags); find_real(); return opened(AT_FDCWD, path, flags, mode, real_openat64); }
int openat(int at, const char *path, int flags, ...) { MODE(flags); find_real(); return opened(at, path, flags, mode, real_openat); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags); find_real(); return opened(at, path, flags, mode, real_openat64); }
