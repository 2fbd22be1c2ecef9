package gaelp.journeys.peers;

import java.nio.file.Path;

/** What a peer is to do, from the environment; the names are those of benchmarks/peers/assignment.py. */
public record Assignment(
        String bootstrapServers,
        String input,
        String output,
        int schemaId,
        long touchpoints,
        long durableEveryMs,
        Path folder) {

    /** Reads the environment; a missing name is an error that names it. */
    public static Assignment fromEnvironment() {
        return new Assignment(
                variable("JOURNEYS_BOOTSTRAP_SERVERS"),
                variable("PEER_INPUT"),
                variable("PEER_OUTPUT"),
                Integer.parseInt(variable("PEER_SCHEMA_ID")),
                Long.parseLong(variable("PEER_TOUCHPOINTS")),
                Long.parseLong(variable("PEER_DURABLE_EVERY_MS")),
                Path.of(variable("PEER_FOLDER")));
    }

    /** The file that says when the work began and ended. */
    public Path progressFile() {
        return folder.resolve("progress.json");
    }

    /** Where state on disk goes. */
    public Path stateFolder() {
        return folder.resolve("state");
    }

    private static String variable(String name) {
        String value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException(name + " is not set");
        }
        return value;
    }
}
