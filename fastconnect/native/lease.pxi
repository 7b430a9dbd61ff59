# The end of a lease, kept by the kernel: also a process that is stopped, or whose machine sleeps, writes nothing after it.
#
# A loop that looks at its lease before it sends is not enough. A process that was stopped (SIGSTOP, a frozen control group, a
# suspended machine) and goes on later has records in librdkafka's queue, and librdkafka's own thread sends them before the loop
# has looked. So the kernel is asked to kill the process a little after its lease: a timer that sends SIGKILL, which ends
# stopped processes too. Whoever prolongs the lease writes it into the page; a thread of this process, which needs neither the
# GIL nor the plugin's good will, then moves the timer.

cdef extern from *:
    """
    #include <errno.h>
    #include <pthread.h>
    #include <signal.h>
    #include <time.h>

    #ifdef __linux__
    static const int64_t *fc_lease;
    static int64_t *fc_kill_at;
    static int64_t fc_grace_ns;
    static int64_t fc_armed_for = -1;
    static timer_t fc_timer;

    static struct timespec fc_timespec(int64_t ns) {
        struct timespec at = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
        return at;
    }

    static void fc_arm(void) {
        int64_t lease = __atomic_load_n(fc_lease, __ATOMIC_ACQUIRE);
        int64_t kill_at = lease > 0 ? lease + fc_grace_ns : 0;
        struct itimerspec when;
        if (lease == fc_armed_for)
            return;
        fc_armed_for = lease;
        if (kill_at != 0 && kill_at < fc_boottime_ns())         /* it was taken away: some time to leave in order */
            kill_at = fc_boottime_ns() + fc_grace_ns / 4;
        when.it_interval = fc_timespec(0);
        when.it_value = fc_timespec(kill_at);
        __atomic_store_n(fc_kill_at, kill_at, __ATOMIC_RELAXED);   /* first: it explains the death */
        timer_settime(fc_timer, TIMER_ABSTIME, &when, 0);          /* 0 disarms */
    }

    static void *fc_guard(void *unused) {
        (void)unused;
        for (;;) {
            int64_t now, next;
            struct timespec at;
            fc_arm();
            now = fc_boottime_ns();
            next = __atomic_load_n(fc_lease, __ATOMIC_ACQUIRE) - fc_grace_ns;
            if (next > now + 2 * fc_grace_ns)                  /* it may be taken away, too */
                next = now + 2 * fc_grace_ns;
            if (next < now + fc_grace_ns / 4)
                next = now + fc_grace_ns / 4;
            at = fc_timespec(next);
            while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, 0) == EINTR) {}
        }
        return 0;
    }

    static int fc_guard_lease(const int64_t *lease, int64_t *kill_at, int64_t grace_ns) {
        struct sigevent event = {0};
        pthread_attr_t attributes;
        pthread_t thread;
        sigset_t all, before;
        int code;
        fc_lease = lease;
        fc_kill_at = kill_at;
        fc_grace_ns = grace_ns;
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGKILL;
        if (timer_create(CLOCK_BOOTTIME, &event, &fc_timer) != 0)
            return errno;
        fc_arm();
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, 65536);
        sigfillset(&all);                       /* signals are for Python's main thread */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        code = pthread_create(&thread, &attributes, fc_guard, 0);
        pthread_sigmask(SIG_SETMASK, &before, 0);
        pthread_attr_destroy(&attributes);
        if (code != 0)
            timer_delete(fc_timer);             /* nobody would move it */
        return code;
    }
    #else
    static int fc_guard_lease(const int64_t *lease, int64_t *kill_at, int64_t grace_ns) { return ENOSYS; }
    #endif
    """
    int start_guard "fc_guard_lease"(const int64_t* lease, int64_t* kill_at, int64_t grace_ns) nogil


def guard_lease(StatusPage page not None, int64_t grace_ns=1_000_000_000):
    """Have the kernel kill this process so long after its lease, unless that is prolonged; once in a process.

    The grace is for the loop to see the end by itself and to leave in order.

    Raises:
        OSError: the kernel has no such timer for us; the loop's own look is all there is.
    """
    cdef int code = start_guard(&page.slot.lease_until_ns, &page.slot.kill_at_ns, grace_ns)
    if code != 0:
        raise OSError(code, "no timer is to be had for the end of the lease")
