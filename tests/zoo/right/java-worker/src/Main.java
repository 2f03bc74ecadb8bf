import java.util.concurrent.CountDownLatch;

/** Starts one worker. */
public final class Main {
    public static void main(String[] arguments) {
        Settings settings;
        try {
            settings = Settings.of(System.getenv());
        } catch (Settings.Unusable problem) {
            System.err.println("worker: " + problem.getMessage());
            System.exit(2);
            return;
        }
        Log log = new Log(settings.logLevel());
        CountDownLatch stop = new CountDownLatch(1);
        Thread worker = Thread.currentThread();

        // SIGTERM and SIGINT both begin the JVM's shutdown, which waits for its hooks; so this one waits for the
        // worker. A further signal changes nothing. By itself the JVM would end with 143, as if it had been killed.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            log.info("shutdown begun: the task in hand is finished, no other one is claimed");
            stop.countDown();
            try {
                worker.join();
                log.info("shutdown complete");
                Runtime.getRuntime().halt(0);
            } catch (InterruptedException impossible) {
                Thread.currentThread().interrupt();
            }
        }));

        log.info("worker %s started, poll interval %s s", settings.workerId(), settings.pollIntervalText());
        new Worker(settings, log, stop).run();
    }
}
