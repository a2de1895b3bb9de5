/*
 * A program as one wrote it in 2001: a key that no disk shall see, until it is used.
 *
 *     program FILE MAPSIZE [as2001]
 *
 * Its first two lines of input are what goes into the head and the key. Then it says what it did
 * and waits for the next word, so that somebody can look at the file meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "win32vmsafe.h"

#define LENGTH 64

static char head[LENGTH + 2], key[LENGTH + 2], word[LENGTH + 2];

static int next(char *line)
{
    fflush(stdout);
    if (fgets(line, LENGTH + 2, stdin) == NULL)
        return 0;
    line[strcspn(line, "\r\n")] = 0;
    return 1;
}

static int refused(void)
{
    printf("refused %d %s\n", win32vmSafeError(), win32vmSafeErrorText());
    fflush(stdout);
    return 1;
}

/* Until no loss came between: once, as a rule. */
static void store(char *at)
{
    do
        memcpy(at, key, LENGTH);
    while (win32vmSafeMark() == 1);
}

/* Copy first, then ask, then use the copy. */
static void ask(const char *at)
{
    char copy[LENGTH];
    int lost;

    memcpy(copy, at, LENGTH);
    lost = win32vmSafeLost();
    printf("lost %d key %s\n", lost, memcmp(copy, key, LENGTH) == 0 ? "whole" : "gone");
}

static void burn(const char *page, int size)
{
    int burned = win32vmSafeBurn();
    int left = 0;

    while (size-- > 0)
        left |= page[size];
    printf("burned %d %s\n", burned, left ? "left" : "zero");
}

/* Somebody else who opens the file, to read it. */
static void second(const char *name)
{
    FILE *other = fopen(name, "rb");

    printf("second %s\n", other == NULL ? "refused" : "let in");
    if (other != NULL)
        fclose(other);
}

int main(int argc, char **argv)
{
    int size = argc > 2 ? atoi(argv[2]) : 0;
    int round;

    if (argc < 3 || !next(head) || !next(key))
        return 2;
    for (round = 1; round <= 2; round++) {
        char *page = argc > 3 ? win32vmSafeInitAs2001(argv[1], size)
                              : win32vmSafeInit(argv[1], size);
        char *secret = page + WIN32VMSAFE_HEAD;
        long i;

        if (page == NULL)
            return refused();
        memcpy(page, head, LENGTH);
        store(secret);
        printf("stored %d\n", round);
        while (next(word) && strcmp(word, "free") != 0) {
            if (strcmp(word, "ask") == 0)
                ask(secret);
            else if (strcmp(word, "burn") == 0)
                burn(page, size == 512 ? 4096 : size);
            else if (strcmp(word, "again") == 0) {
                store(secret);
                printf("stored again\n");
            } else if (strcmp(word, "race") == 0) {
                for (i = 0; i < 20000000; i++)
                    *(volatile char *)(secret + i % LENGTH) = key[i % LENGTH];
                printf("raced\n");
            } else if (strcmp(word, "second") == 0)
                second(argv[1]);
            else if (strcmp(word, "grade") == 0)
                printf("%s.\n", win32vmSafeGrade());
        }
        printf("freed %d\n", win32vmSafeFree());
        if (!next(word))
            return 0;
    }
    return 0;
}
