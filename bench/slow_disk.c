// Preloaded into PostgreSQL: each flush takes 2 ms more while the file that BENCH_SLOW_DISK names exists, as on a disk
// of a cloud. Without the file a flush costs one look more.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_if_slow(void) {
    const char *flag = getenv("BENCH_SLOW_DISK");
    if (flag == NULL || access(flag, F_OK) != 0) return;
    struct timespec left = {.tv_sec = 0, .tv_nsec = 2000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue; // a signal does not make a disk faster
}

int fsync(int descriptor) {
    static int (*next)(int);
    if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_if_slow();
    return next(descriptor);
}

int fdatasync(int descriptor) {
    static int (*next)(int);
    if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_if_slow();
    return next(descriptor);
}
