package gaelp.journeys.peers;

/** A record for the output topic: key and value as they go on the wire. Public fields, as Flink wants them. */
public final class Abandonment {
    public byte[] key;
    public byte[] value;

    public Abandonment() {}

    Abandonment(byte[] key, byte[] value) {
        this.key = key;
        this.value = value;
    }
}
