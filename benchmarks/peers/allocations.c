// Counts what each process of a server allocates, where others can read it: preloaded, with the name of a file in ALLOCATION_COUNTS. The file is a
// row for each process: its number, allocations, what was freed, and the bytes that are in use now.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

enum { ROWS = 64 };

struct row { _Atomic(uint64_t) pid, allocations, frees; _Atomic(int64_t) bytes; };
struct table { _Atomic(uint64_t) used; struct row rows[ROWS]; };

static struct table *table;
static struct row unread, *row = &unread;

static void take_row(void) {
    if (!table) return;
    uint64_t index = atomic_fetch_add(&table->used, 1);
    row = index < ROWS ? &table->rows[index] : &unread;
    atomic_store(&row->pid, (uint64_t)getpid());
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("ALLOCATION_COUNTS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return;
    table = memory;
    take_row();
    pthread_atfork(NULL, NULL, take_row);
}

static void *counted(void *block) {
    if (!block) return block;
    atomic_fetch_add_explicit(&row->allocations, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&row->bytes, (int64_t)malloc_usable_size(block), memory_order_relaxed);
    return block;
}

static void forget(void *block) {
    if (!block) return;
    atomic_fetch_add_explicit(&row->frees, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&row->bytes, (int64_t)malloc_usable_size(block), memory_order_relaxed);
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }
void *calloc(size_t number, size_t size) { return counted(__libc_calloc(number, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = counted(__libc_memalign(alignment, size));
    return *block ? 0 : ENOMEM;
}

void *realloc(void *block, size_t size) {
    forget(block);
    return counted(__libc_realloc(block, size));
}

void free(void *block) {
    forget(block);
    __libc_free(block);
}
