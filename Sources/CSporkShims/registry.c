// Which coroutine a task is: a hash table from tasks to records, so that any code can ask for the coroutine that it runs in.
// Touched only on the loop's thread. Open addressing with linear probing; three quarters full at most, and smaller again when it is
// nearly empty; entries are moved back when one before them goes, so there are no tombstones.
#include "CSporkShims.h"

#include <stdlib.h>

static struct {
    struct {
        void *task;
        void *record;
    } *slots;
    size_t mask;
    size_t count;
} table;

static size_t home(void *task) { return (size_t)(((uintptr_t)task >> 4) * 0x9E3779B97F4A7C15u >> 20) & table.mask; }

static void insert(void *task, void *record) {
    size_t index = home(task);
    while (table.slots[index].task && table.slots[index].task != task) index = (index + 1) & table.mask;
    if (!table.slots[index].task) table.count++;
    table.slots[index].task = task;
    table.slots[index].record = record;
}

enum { smallest = 256 };

static void resize(size_t size) {
    size_t old_size = table.slots ? table.mask + 1 : 0;
    __auto_type old = table.slots;
    table.slots = calloc(size, sizeof *table.slots);
    if (!table.slots) abort();
    table.mask = size - 1;
    table.count = 0;
    for (size_t index = 0; index < old_size; index++) {
        if (old[index].task) insert(old[index].task, old[index].record);
    }
    free(old);
}

void spork_registry_set(void *task, void *record) {
    if (!table.slots) {
        resize(smallest);
    } else if ((table.count + 1) * 4 > (table.mask + 1) * 3) {
        resize((table.mask + 1) * 2);
    }
    insert(task, record);
}

void *spork_registry_get(void *task) {
    if (!table.slots || !task) return NULL;
    size_t index = home(task);
    while (table.slots[index].task) {
        if (table.slots[index].task == task) return table.slots[index].record;
        index = (index + 1) & table.mask;
    }
    return NULL;
}

void spork_registry_remove(void *task) {
    if (!table.slots) return;
    size_t index = home(task);
    while (table.slots[index].task != task) {
        if (!table.slots[index].task) return;
        index = (index + 1) & table.mask;
    }
    table.count--;
    size_t hole = index;
    while (table.slots[index = (index + 1) & table.mask].task) {
        size_t wanted = home(table.slots[index].task);
        // It may fill the hole unless it would come to stand before its home.
        if (((index - wanted) & table.mask) >= ((index - hole) & table.mask)) {
            table.slots[hole] = table.slots[index];
            hole = index;
        }
    }
    table.slots[hole].task = NULL;
    if (table.mask >= smallest && table.count * 16 < table.mask) resize((table.mask + 1) / 4);
}
