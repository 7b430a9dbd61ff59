package bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Collection;
import java.util.Map;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/** Says in two files when the first and when the last record came. */
public class CountSinkTask extends SinkTask {
    private Path report;
    private boolean readsValues;
    private long count;
    private long records;
    private long total;

    @Override
    public void start(Map<String, String> props) {
        report = Path.of(props.get("report"));
        count = Long.parseLong(props.get("count"));
        readsValues = "values".equals(props.get("read"));
    }

    @Override
    public void put(Collection<SinkRecord> batch) {
        if (batch.isEmpty()) {
            return;
        }
        if (records == 0) {
            report("first");
        }
        records += batch.size();
        if (readsValues) {
            for (SinkRecord record : batch) {
                total += (Long) ((Map<?, ?>) record.value()).get("id");
            }
        }
        if (records == count) {
            report("last");
        }
    }

    private void report(String name) {
        Instant now = Instant.now();
        try {
            Path unfinished = report.resolve(name + ".unfinished");
            Files.writeString(unfinished, (now.getEpochSecond() * 1_000_000_000L + now.getNano()) + " " + total);
            Files.move(unfinished, report.resolve(name));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public void stop() {
    }

    @Override
    public String version() {
        return "1";
    }
}
