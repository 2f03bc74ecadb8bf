import java.sql.SQLException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Signs of life for a task, four in a timeout, from a thread of its own, until it is closed. */
final class Heartbeat implements AutoCloseable {
    private final Settings settings;
    private final Task task;
    private final Log log;
    private final CountDownLatch over = new CountDownLatch(1);
    private final Thread thread;

    Heartbeat(Settings settings, Task task, Log log) {
        this.settings = settings;
        this.task = task;
        this.log = log;
        thread = new Thread(this::beat, "heartbeat");
        thread.setDaemon(true);
        thread.start();
    }

    private void beat() {
        while (!isOver()) { // most tasks are done by now, and nobody has connected
            try (Tasks tasks = new Tasks(settings)) {
                while (tasks.beat(task)) {
                    if (isOver()) {
                        return;
                    }
                }
                return; // not ours any more, as the worker will find out
            } catch (SQLException problem) {
                log.warning("task=%d no sign of life: %s", task.id(), problem.getMessage());
            }
        }
    }

    /** Waits until the next sign of life is due; whether there is to be none. */
    private boolean isOver() {
        try {
            return over.await(settings.stuckTimeout().toNanos() / 4, TimeUnit.NANOSECONDS);
        } catch (InterruptedException nobodyInterrupts) {
            return true;
        }
    }

    @Override
    public void close() {
        over.countDown();
        try {
            thread.join();
        } catch (InterruptedException nobodyInterrupts) {
            Thread.currentThread().interrupt();
        }
    }
}
