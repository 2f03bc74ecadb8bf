import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** Claims tasks and works on them, one after the other, until the latch is open. */
final class Worker {
    private static final long RECONNECT_MS = 400;

    /** How work ended, as long as that is not known to be in the table. */
    private record Result(Task task, Task.End end, double seconds, long since) {}

    private final Settings settings;
    private final Log log;
    private final CountDownLatch stop;
    private final Map<String, Consumer<Task>> handlers;
    private Result result;

    Worker(Settings settings, Log log, CountDownLatch stop) {
        this.settings = settings;
        this.log = log;
        this.stop = stop;
        this.handlers = Map.of("email", task -> log.info("task=%d an email is sent", task.id()));
    }

    void run() {
        while (result != null || !isToStop()) {
            try (Tasks tasks = new Tasks(settings)) {
                log.info("connected to the database");
                record(tasks);
                while (!isToStop()) {
                    round(tasks);
                }
            } catch (SQLException problem) {
                log.warning("no database, trying again in %d ms: %s", RECONNECT_MS, problem.getMessage());
                rest();
            }
        }
    }

    private void round(Tasks tasks) throws SQLException {
        for (long id : tasks.recover(settings.stuckTimeout().toNanos() / 1e9)) {
            log.warning("task=%d was left alone for too long, it is pending again", id);
        }
        if (isToStop()) {
            return;
        }
        Task task = tasks.claim();
        if (task == null) {
            log.info("no pending task");
            waitForStop(settings.pollInterval());
            return;
        }
        log.info("claimed task=%d title=%s", task.id(), task.title());
        try (Heartbeat heartbeat = new Heartbeat(settings, task, log)) {
            long began = System.nanoTime();
            Task.End end = work(task);
            result = new Result(task, end, (System.nanoTime() - began) / 1e9, System.nanoTime());
            record(tasks);
        }
    }

    private Task.End work(Task task) {
        try {
            handlers.getOrDefault(task.type(), any -> {}).accept(task);
            Duration duration = settings.taskDuration();
            sleep(duration != null ? duration : Duration.ofMillis(ThreadLocalRandom.current().nextLong(2000, 5000)));
            if (task.fails()) {
                throw new IllegalStateException("its payload says so");
            }
            return Task.End.COMPLETED;
        } catch (RuntimeException problem) {
            log.warning("task=%d failed: %s", task.id(), problem.getMessage());
            return Task.End.FAILED;
        }
    }

    /** Writes the result, if there is one. It is kept when that fails. */
    private void record(Tasks tasks) throws SQLException {
        if (result == null) {
            return;
        }
        if (tasks.end(result.task(), result.end())) {
            log.info("%s task=%d seconds=%.3f", result.end().status, result.task().id(), result.seconds());
        } else {
            log.warning("task=%d belongs to somebody else now, its result is dropped", result.task().id());
        }
        result = null;
    }

    private void rest() {
        if (result == null) {
            waitForStop(Duration.ofMillis(RECONNECT_MS));
            return;
        }
        sleep(Duration.ofMillis(RECONNECT_MS));
        if (isToStop() && System.nanoTime() - result.since() > settings.stuckTimeout().toNanos()) {
            log.error("task=%d: no database for its result, somebody else will do it", result.task().id());
            result = null;
        }
    }

    private boolean isToStop() {
        return stop.getCount() == 0;
    }

    private void waitForStop(Duration longest) {
        try {
            stop.await(longest.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException nobodyInterrupts) {
            Thread.currentThread().interrupt();
        }
    }

    private static void sleep(Duration duration) {
        try {
            TimeUnit.NANOSECONDS.sleep(duration.toNanos());
        } catch (InterruptedException nobodyInterrupts) {
            Thread.currentThread().interrupt();
        }
    }
}
