import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** The table {@code tasks}, by way of one connection. */
final class Tasks implements AutoCloseable {
    private static final String OLDEST = """
            SELECT id, title, type, coalesce(payload -> 'fail' = 'true', false) AS fails, attempt + 1 AS attempt
            FROM tasks WHERE status = 'pending' ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED""";
    private static final String TAKE = """
            UPDATE tasks SET status = 'processing', assigned_worker = ?, attempt = ?, heartbeat_at = now(),
                updated_at = now() WHERE id = ?""";
    private static final String END = """
            UPDATE tasks SET status = ?, updated_at = now()
            WHERE id = ? AND attempt = ? AND status IN ('processing', ?)""";
    private static final String BEAT = """
            UPDATE tasks SET heartbeat_at = now(), updated_at = now()
            WHERE id = ? AND attempt = ? AND status = 'processing'""";
    // A row that somebody else has made processing has no heartbeat; its last change has to do.
    private static final String RECOVER = """
            UPDATE tasks SET status = 'pending', assigned_worker = NULL, heartbeat_at = NULL, updated_at = now()
            WHERE id IN (SELECT id FROM tasks WHERE status = 'processing'
                         AND greatest(heartbeat_at, updated_at) < now() - make_interval(secs => ?)
                         FOR UPDATE SKIP LOCKED)
            RETURNING id""";

    private final Connection connection;
    private final String workerId;

    Tasks(Settings settings) throws SQLException {
        connection = DriverManager.getConnection(settings.jdbcUrl(), settings.login());
        workerId = settings.workerId();
    }

    /** The oldest pending task, now ours, or null. */
    Task claim() throws SQLException {
        connection.setAutoCommit(false);
        try {
            Task task = oldest();
            if (task != null) {
                try (PreparedStatement take = connection.prepareStatement(TAKE)) {
                    take.setString(1, workerId);
                    take.setInt(2, task.attempt());
                    take.setLong(3, task.id());
                    take.executeUpdate();
                }
            }
            connection.commit();
            return task;
        } catch (SQLException problem) {
            rollBack(problem);
            throw problem;
        } finally {
            if (!connection.isClosed()) {
                connection.setAutoCommit(true);
            }
        }
    }

    private Task oldest() throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(OLDEST); ResultSet row = select.executeQuery()) {
            if (!row.next()) {
                return null;
            }
            return new Task(
                    row.getLong("id"), row.getString("title"), row.getString("type"), row.getBoolean("fails"),
                    row.getInt("attempt"));
        }
    }

    private void rollBack(SQLException because) {
        try {
            connection.rollback();
        } catch (SQLException second) {
            because.addSuppressed(second);
        }
    }

    /** Records the end, if the attempt is still the task's last one; whether it was. Doing it twice does no harm. */
    boolean end(Task task, Task.End end) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement(END)) {
            update.setString(1, end.status);
            update.setLong(2, task.id());
            update.setInt(3, task.attempt());
            update.setString(4, end.status);
            return update.executeUpdate() == 1;
        }
    }

    /** A sign of life; whether the task is still ours. */
    boolean beat(Task task) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement(BEAT)) {
            update.setLong(1, task.id());
            update.setInt(2, task.attempt());
            return update.executeUpdate() == 1;
        }
    }

    /** Gives back tasks that have been silent for longer than that many seconds; their ids. */
    List<Long> recover(double seconds) throws SQLException {
        List<Long> ids = new ArrayList<>();
        try (PreparedStatement update = connection.prepareStatement(RECOVER)) {
            update.setDouble(1, seconds);
            try (ResultSet rows = update.executeQuery()) {
                while (rows.next()) {
                    ids.add(rows.getLong(1));
                }
            }
        }
        return ids;
    }

    @Override
    public void close() throws SQLException {
        connection.close();
    }
}
