/*
 * Linked into the extension for `cargo xtask matrix valgrind` only: grows the main thread's stack when it is loaded.
 *
 * Valgrind up to 3.19 at least does not grow the stack for the frame of a signal whose handler has SA_ONSTACK, also when
 * there is no other stack (coregrind/m_sigframe/sigframe-common.c): a signal in the deepest call so far would kill.
 */
__attribute__((constructor)) static void grow_stack(void)
{
    volatile char deep[1 << 20];
    for (unsigned long at = sizeof deep; at > 0; at -= 4096)
        deep[at - 1] = 0;
}
