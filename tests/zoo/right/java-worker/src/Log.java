import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;

/** One line for each event, written at once. */
final class Log {
    enum Level { DEBUG, INFO, WARNING, ERROR }

    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss.SSS");

    private final Level least;

    Log(Level least) {
        this.least = least;
    }

    void info(String format, Object... values) {
        write(Level.INFO, format, values);
    }

    void warning(String format, Object... values) {
        write(Level.WARNING, format, values);
    }

    void error(String format, Object... values) {
        write(Level.ERROR, format, values);
    }

    private synchronized void write(Level level, String format, Object... values) {
        if (level.compareTo(least) >= 0) {
            String text = String.format(format, values).replaceAll("\\s+", " ");
            System.out.println(LocalDateTime.now().format(TIME) + " " + level + " " + text);
            System.out.flush();
        }
    }
}
