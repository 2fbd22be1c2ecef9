package gaelp.journeys.peers;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Ends journeys: by the next touchpoint of the same one, or as the watermark passes their deadline.
 *
 * <p>Timers are lazy: a journey has one, set when it opens and set again when it fires too early. A timer for each
 * touchpoint would be deleted by the next one.
 */
final class JourneyFunction extends KeyedProcessFunction<String, Touchpoint, Abandonment> {
    private static final long serialVersionUID = 1L;
    /** Of the process: a local mini-cluster runs every subtask in it. */
    static final Progress PROGRESS = new Progress();

    private final int schemaId;
    private transient AbandonmentEncoder encoder;
    private transient ValueState<TimedJourney> journeys;

    JourneyFunction(int schemaId) {
        this.schemaId = schemaId;
    }

    @Override
    public void open(OpenContext context) {
        encoder = new AbandonmentEncoder(schemaId);
        journeys = getRuntimeContext()
                .getState(new ValueStateDescriptor<>("journey", TypeInformation.of(TimedJourney.class)));
    }

    @Override
    public void processElement(Touchpoint touchpoint, Context context, Collector<Abandonment> out) throws Exception {
        TimedJourney journey = journeys.value();
        if (journey != null && journey.deadlineAt() <= touchpoint.occurredAt) {
            abandon(context.getCurrentKey(), journey, touchpoint.occurredAt, out);
            end(journey, context);
            journey = null;
        }
        if (touchpoint.converts()) {
            if (journey != null) {
                end(journey, context);
            }
        } else {
            boolean opens = journey == null;
            if (opens) {
                journey = new TimedJourney();
            }
            journey.apply(touchpoint);
            if (opens) {
                journey.timerAt = journey.deadlineAt();
                context.timerService().registerEventTimeTimer(journey.timerAt);
            }
            journeys.update(journey);
        }
        PROGRESS.add();
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Abandonment> out) throws Exception {
        TimedJourney journey = journeys.value();
        if (journey == null || journey.timerAt != timestamp) {
            return;
        }
        if (journey.deadlineAt() <= timestamp) {
            abandon(context.getCurrentKey(), journey, timestamp, out);
            journeys.clear();
        } else {
            journey.timerAt = journey.deadlineAt();
            context.timerService().registerEventTimeTimer(journey.timerAt);
            journeys.update(journey);
        }
    }

    private void end(TimedJourney journey, Context context) {
        context.timerService().deleteEventTimeTimer(journey.timerAt);
        journeys.clear();
    }

    private void abandon(String journeyId, TimedJourney journey, long detectedAt, Collector<Abandonment> out) {
        byte[] key = journeyId.getBytes(StandardCharsets.UTF_8);
        out.collect(new Abandonment(key, encoder.encode(key, journey, detectedAt)));
    }
}
