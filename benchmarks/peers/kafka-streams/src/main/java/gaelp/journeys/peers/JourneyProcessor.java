package gaelp.journeys.peers;

import java.time.Duration;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** Ends journeys: by the next touchpoint of the same one, or as stream time passes their deadline. */
final class JourneyProcessor implements Processor<Bytes, Touchpoint, Bytes, byte[]> {
    static final String JOURNEYS = "journeys";
    static final String DEADLINES = "deadlines";
    /** How late a silent journey is found, in event time. Finer spans cost more look-ups and change no outcome. */
    static final Duration SPAN = Duration.ofMinutes(10);

    private final Progress progress;
    private final AbandonmentEncoder encoder;
    private ProcessorContext<Bytes, byte[]> context;
    private KeyValueStore<Bytes, Journey> journeys;
    private DeadlineBuckets deadlines;

    JourneyProcessor(Progress progress, int schemaId) {
        this.progress = progress;
        this.encoder = new AbandonmentEncoder(schemaId);
    }

    @Override
    public void init(ProcessorContext<Bytes, byte[]> context) {
        this.context = context;
        journeys = context.getStateStore(JOURNEYS);
        deadlines = new DeadlineBuckets(context.getStateStore(DEADLINES), SPAN.toMillis());
        context.schedule(SPAN, PunctuationType.STREAM_TIME, this::endDue);
    }

    @Override
    public void process(Record<Bytes, Touchpoint> record) {
        Bytes journeyId = record.key();
        Touchpoint touchpoint = record.value();
        Journey journey = journeys.get(journeyId);
        boolean open = journey != null;
        if (open && journey.deadlineAt() <= touchpoint.occurredAt) {
            abandon(journeyId, journey, touchpoint.occurredAt);
            journey = null;
        }
        if (touchpoint.converts()) {
            if (open) {
                journeys.delete(journeyId);
            }
        } else {
            boolean opens = journey == null;
            if (opens) {
                journey = new Journey();
            }
            journey.apply(touchpoint);
            journeys.put(journeyId, journey);
            if (opens) {
                deadlines.add(journey.deadlineAt(), journeyId);
            }
        }
        progress.add();
    }

    private void endDue(long now) {
        for (Bytes journeyId : deadlines.takeUntil(now)) {
            Journey journey = journeys.get(journeyId);
            if (journey == null) {
                continue; // it converted
            }
            if (journey.deadlineAt() <= now) {
                abandon(journeyId, journey, now);
                journeys.delete(journeyId);
            } else {
                deadlines.add(journey.deadlineAt(), journeyId);
            }
        }
    }

    private void abandon(Bytes journeyId, Journey journey, long detectedAt) {
        byte[] abandonment = encoder.encode(journeyId.get(), journey, detectedAt);
        context.forward(new Record<>(journeyId, abandonment, journey.deadlineAt()));
    }
}
