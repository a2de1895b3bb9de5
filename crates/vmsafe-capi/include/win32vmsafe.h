/*
 * win32vmsafe.h: memory of which no copy stays on a disk, as of 2001, with its gaps closed.
 *
 *     char *page = win32vmSafeInit("key.tmp", 512);
 *     if (page == NULL)
 *         return fprintf(stderr, "%s\n", win32vmSafeErrorText()), 1;
 *     do
 *         read_key(page + WIN32VMSAFE_HEAD);
 *     while (win32vmSafeMark() == 1);                 // lost meanwhile: once more
 *     ...
 *     memcpy(key, page + WIN32VMSAFE_HEAD, sizeof key);
 *     if (win32vmSafeLost() != 0)                     // copy first, then ask, then use the copy
 *         return ask_for_the_key_again();
 *     ...
 *     win32vmSafeFree();
 *
 * One buffer at a time in a process, Init to Free, as often as you like. Every function may be
 * called from any thread; that no thread uses the pointer while another burns or frees is the
 * caller's to see to. A program that ends without Free leaves the file: `vmsafe burn FILE`.
 *
 * After fork() the child has no buffer: the pointer faults there, every call but Init fails with
 * WIN32VMSAFE_CHILD, and Init makes one of the child's own. The parent notices nothing.
 *
 * Whoever may write the file (its owner, root) can cut it to nothing, and the pointer then faults
 * (SIGBUS) until the next call of Mark, Lost or Burn, which gives the length back and tells a loss.
 *
 * Which memory stays out of what, and what tells you so: win32vmSafeGrade().
 */
#ifndef WIN32VMSAFE_H
#define WIN32VMSAFE_H

#if defined(_WIN32)
#define WIN32VMSAFE_API __declspec(dllimport)
#else
#define WIN32VMSAFE_API extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of the page that mapsize 512 gives: bytes that are the file's, and bytes behind them to use. */
#define WIN32VMSAFE_HEAD 512
#define WIN32VMSAFE_PAYLOAD 3568

/*
 * Creates the file fName, exclusively and for its owner alone, and maps it. Zero at first.
 *
 *   mapsize 512          the page that evaporates. The pointer is that of the page, 4096 bytes:
 *                        0..511      are the file's 512 bytes, and are written to it;
 *                        512..4079   are written nowhere and vanish at the next write-back, which
 *                                    win32vmSafeLost tells; here the key goes;
 *                        4080..4095  are the guard by which it tells. Leave them alone.
 *                        The page is locked in memory where the limits allow.
 *   n * page size        n whole pages, which go to this file under pressure and never to swap.
 *
 * The bytes are plain, as in 2001. So NULL, with WIN32VMSAFE_PLACE and a better place, where a
 * plain tail can reach the disk all the same (ext2, ext3, ext4, xfs, any data=journal, and what is
 * not known), and where whole pages can reach swap (tmpfs). NULL too, with the reason, for any
 * other size, a name that exists or goes through a link, and a second Init without Free.
 *
 * fName: any bytes on Unix; on Windows in the process's ANSI code page, as CreateFileA takes it.
 */
WIN32VMSAFE_API void *win32vmSafeInit(const char *fName, int mapsize);

/*
 * The same, on any file system and with any refusal of the system's, as in 2001: the tail may
 * reach the disk, the pages swap. The file is exclusive and burned as ever. The grade tells.
 */
WIN32VMSAFE_API void *win32vmSafeInitAs2001(const char *fName, int mapsize);

/*
 * Zeroes and unlocks the memory, overwrites the file, writes it through, reads it back, removes
 * it. 0: all of it confirmed. 1: done, and the error text names what could not be confirmed (memory
 * has no medium to read back from, Windows reads its cache, btrfs writes elsewhere). -1: failed;
 * the memory is gone, and the file keeps its name unless its content is gone too.
 */
WIN32VMSAFE_API int win32vmSafeFree(void);

/*
 * Takes what stands behind the head now as what win32vmSafeLost compares with; call it after each
 * change. 0: done. 1: done, but a loss came before: store your bytes once more and mark again.
 * -1: failed. Of whole pages always 0.
 */
WIN32VMSAFE_API int win32vmSafeMark(void);

/*
 * Did the volatile part evaporate? Marked: 0 says that every byte behind the head is as it was
 * marked, so that a copy made before the call is whole; 1 that some are not. Never marked: 1 says
 * that a loss is complete; 0 that none is, though one may be under way. -1: failed. Of whole pages
 * always 0.
 */
WIN32VMSAFE_API int win32vmSafeLost(void);

/*
 * Zeroes the memory and its file at once, whoever holds the pointer: it stays valid and reads as
 * zeros until Free. Returns as Free does.
 */
WIN32VMSAFE_API int win32vmSafeBurn(void);

/*
 * What the system confirmed, a line per threat: closed, open or unknown, and why. NULL without a
 * buffer. Valid until this thread asks again.
 */
WIN32VMSAFE_API const char *win32vmSafeGrade(void);

/*
 * What this thread's last call (of any function but these two) has to say: a code, 0 after plain
 * success, and a sentence with advice. The sentence is valid until this thread's next call, never
 * NULL, and names no byte of the memory.
 */
WIN32VMSAFE_API int win32vmSafeError(void);
WIN32VMSAFE_API const char *win32vmSafeErrorText(void);

enum win32vmSafeCode {
    WIN32VMSAFE_OK = 0,
    WIN32VMSAFE_SIZE = 1,        /* mapsize is neither 512 nor whole pages */
    WIN32VMSAFE_NAME = 2,        /* fName is NULL, empty, no name here, or leads through a link */
    WIN32VMSAFE_EXISTS = 3,      /* the file exists, or somebody has it open */
    WIN32VMSAFE_PLACE = 4,       /* its file system would break the promise */
    WIN32VMSAFE_LIMIT = 5,       /* no more memory may be locked */
    WIN32VMSAFE_FILE = 6,        /* the file could not be had, written or removed */
    WIN32VMSAFE_HELD = 7,        /* Init before Free */
    WIN32VMSAFE_NONE = 8,        /* no Init, or Free already */
    WIN32VMSAFE_CHILD = 9,       /* the buffer is the parent process's */
    WIN32VMSAFE_UNMET = 10,      /* dumps, children or swap could not be closed */
    WIN32VMSAFE_SYSTEM = 11,     /* the system refused something else */
    WIN32VMSAFE_UNCONFIRMED = 12,/* burned, but not all of it could be confirmed */
    WIN32VMSAFE_DEFECT = 13      /* a defect of this library; report it */
};

#ifdef __cplusplus
}
#endif
#endif
