import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/** The environment, read and checked. {@code taskDuration} is null for a random one. */
record Settings(
        String jdbcUrl,
        Properties login,
        String workerId,
        Duration pollInterval,
        String pollIntervalText,
        Duration taskDuration,
        Duration stuckTimeout,
        Log.Level logLevel) {

    /** A variable that is missing or makes no sense. */
    @SuppressWarnings("serial") // never written anywhere
    static final class Unusable extends Exception {
        Unusable(String message) {
            super(message);
        }
    }

    static Settings of(Map<String, String> env) throws Unusable {
        String poll = env.getOrDefault("WORKER_POLL_INTERVAL", "5");
        String duration = env.get("WORKER_TASK_DURATION");
        String id = env.getOrDefault("WORKER_ID", hostName() + "-" + ProcessHandle.current().pid());
        URI url = url(env.get("DATABASE_URL"));
        return new Settings(
                "jdbc:postgresql://" + url.getHost() + (url.getPort() < 0 ? "" : ":" + url.getPort()) + url.getPath(),
                login(url, id),
                id,
                seconds("WORKER_POLL_INTERVAL", poll, false),
                poll,
                duration == null ? null : seconds("WORKER_TASK_DURATION", duration, true),
                seconds("WORKER_STUCK_TIMEOUT", env.getOrDefault("WORKER_STUCK_TIMEOUT", "300"), false),
                level(env.getOrDefault("LOG_LEVEL", "info")));
    }

    private static Duration seconds(String name, String text, boolean mayBeZero) throws Unusable {
        try {
            BigDecimal value = new BigDecimal(text.strip());
            int least = mayBeZero ? 0 : 1;
            if (value.signum() >= least && value.precision() - value.scale() <= 9) {
                return Duration.ofNanos(value.movePointRight(9).longValue());
            }
        } catch (NumberFormatException notANumber) {
            // told below
        }
        throw new Unusable(name + " is \"" + text + "\", not a number of seconds that makes sense");
    }

    private static URI url(String text) throws Unusable {
        if (text == null) {
            throw new Unusable("DATABASE_URL is not set");
        }
        try {
            URI url = new URI(text); // with a bad port this has no host
            if (List.of("postgresql", "postgres").contains(String.valueOf(url.getScheme())) && url.getHost() != null) {
                return url;
            }
        } catch (URISyntaxException quotesThePassword) {
            // told below, without the URL
        }
        throw new Unusable("DATABASE_URL is no URL such as postgresql://user:password@host:port/name");
    }

    /** JDBC wants name and password apart from the URL. */
    private static Properties login(URI url, String id) {
        Properties login = new Properties();
        String[] user = url.getRawUserInfo() == null ? new String[0] : url.getRawUserInfo().split(":", 2);
        if (user.length > 0) {
            login.setProperty("user", decoded(user[0]));
        }
        if (user.length > 1) {
            login.setProperty("password", decoded(user[1]));
        }
        if (url.getRawQuery() != null) {
            for (String pair : url.getRawQuery().split("&")) {
                String[] parts = pair.split("=", 2);
                login.setProperty(decoded(parts[0]), parts.length > 1 ? decoded(parts[1]) : "");
            }
        }
        login.setProperty("connectTimeout", "3");
        login.setProperty("loginTimeout", "3");
        login.setProperty("ApplicationName", id);
        return login;
    }

    private static String decoded(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    private static Log.Level level(String text) throws Unusable {
        for (Log.Level level : Log.Level.values()) {
            if (level.name().equalsIgnoreCase(text)) {
                return level;
            }
        }
        throw new Unusable("LOG_LEVEL is \"" + text + "\", not debug, info, warning or error");
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException nameless) {
            return "worker";
        }
    }
}
