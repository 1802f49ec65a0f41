// SPDX-License-Identifier: MIT
// Runs a command and writes what it used, by wait4(2), as one JSON object: `bench-usage [--until-output] FILE
// COMMAND…`. What it writes to stderr comes on stdout, too: the engine's log is there. Signals to the process group
// reach the command; this process waits for it whatever comes.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double seconds(struct timeval time) {
    return time.tv_sec + time.tv_usec / 1e6;
}

static void fail(const char *what) {
    fprintf(stderr, "bench-usage: %s: %s\n", what, strerror(errno));
    exit(1);
}

static pid_t start(char **command, const int *output) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid) return pid;
    if (output) dup2(output[1], STDOUT_FILENO);
    dup2(STDOUT_FILENO, STDERR_FILENO);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    execvp(command[0], command);
    fprintf(stderr, "bench-usage: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

// Seconds from `began` to the first byte that it wrote, upon which it is ended; negative if it wrote none. What it
// writes is handed on.
static double end_at_output(pid_t pid, const int *output, double began) {
    char bytes[4096];
    close(output[1]);
    ssize_t count = read(output[0], bytes, sizeof bytes);
    double took = count > 0 ? now() - began : -1;
    kill(pid, SIGTERM);
    for (; count > 0; count = read(output[0], bytes, sizeof bytes)) {
        if (write(STDOUT_FILENO, bytes, (size_t)count) != count) fail("stdout");
    }
    return took;
}

int main(int argc, char **argv) {
    int until_output = argc > 1 && !strcmp(argv[1], "--until-output");
    if (argc < 3 + until_output) {
        fputs("usage: bench-usage [--until-output] FILE COMMAND…\n", stderr);
        return 64;
    }
    char **arguments = argv + 1 + until_output;
    int output[2];
    if (until_output && pipe(output)) fail("pipe");
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    double began = now(), first_output = -1;
    pid_t pid = start(arguments + 1, until_output ? output : NULL);
    if (until_output) first_output = end_at_output(pid, output, began);
    int status;
    struct rusage used;
    if (wait4(pid, &status, 0, &used) < 0) fail("wait4");
    double wall = now() - began;
    FILE *file = fopen(arguments[0], "w");
    if (!file) fail(arguments[0]);
    fprintf(file,
            "{\"user\":%.6f,\"system\":%.6f,\"wall\":%.6f,\"first_output\":%.6f,\"max_rss\":%ld,\"switches\":%ld,"
            "\"code\":%d,\"signal\":%d}\n",
            seconds(used.ru_utime), seconds(used.ru_stime), wall, first_output, used.ru_maxrss * 1024, used.ru_nvcsw,
            WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return fclose(file) ? 1 : 0;
}
