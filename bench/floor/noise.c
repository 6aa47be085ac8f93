/* What this machine does to a program that does nothing: the noise floor that every other number stands on.
 *
 *   noise spin MILLISECONDS    reads the clock without pause; a gap is time that somebody else took
 *   noise pingpong N PATH      one byte over a Unix socket pair to a child and back: two wake-ups by the scheduler
 *
 * One line of JSON; no libzmq here.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Far above a clock read, far below a scheduler's slice: what is longer was an interruption. */
enum { GAP_NS = 2000 };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int spin(uint64_t milliseconds)
{
    uint64_t began = now_ns(), last = began, end = began + milliseconds * 1000000u;
    uint64_t reads = 0, gaps = 0, stolen = 0, longest = 0;
    while (last < end) {
        uint64_t now = now_ns(), gap = now - last;
        reads++;
        if (gap > GAP_NS) {
            gaps++;
            stolen += gap;
        }
        if (gap > longest)
            longest = gap;
        last = now;
    }
    uint64_t elapsed = last - began;
    printf("{\"spin_ns\": %llu, \"clock_read_ns\": %.1f, \"gaps\": %llu, \"gap_share\": %.6f, \"longest_gap_ns\": %llu}\n",
           (unsigned long long)elapsed, (double)(elapsed - stolen) / (double)reads, (unsigned long long)gaps,
           (double)stolen / (double)elapsed, (unsigned long long)longest);
    return 0;
}

static int pingpong(uint64_t count, const char *path)
{
    int pair[2];
    char byte = 'x';
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return perror("socketpair"), 2;
    pid_t child = fork();
    if (child < 0)
        return perror("fork"), 2;
    if (child == 0) {
        close(pair[0]);
        while (read(pair[1], &byte, 1) == 1)
            if (write(pair[1], &byte, 1) != 1)
                break;
        _exit(0);
    }
    close(pair[1]);
    uint64_t *latencies = calloc(count, sizeof *latencies);
    if (latencies == NULL)
        return perror("calloc"), 2;
    memset(latencies, 1, count * sizeof *latencies);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t began = now_ns();
        if (write(pair[0], &byte, 1) != 1 || read(pair[0], &byte, 1) != 1)
            return perror("pingpong"), 2;
        latencies[i] = now_ns() - began;
    }
    close(pair[0]);
    waitpid(child, NULL, 0);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(latencies, sizeof *latencies, count, file) != count || fclose(file) != 0)
        return perror(path), 2;
    free(latencies);
    printf("{\"round_trips\": %llu}\n", (unsigned long long)count);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "spin") == 0)
        return spin(strtoull(argv[2], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "pingpong") == 0)
        return pingpong(strtoull(argv[2], NULL, 10), argv[3]);
    fprintf(stderr, "usage: noise spin MILLISECONDS | noise pingpong N PATH\n");
    return 2;
}
