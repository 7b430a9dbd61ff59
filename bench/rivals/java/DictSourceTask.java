package bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;

/** One Map as value and one Map as source offset a record; the same values as bench/dict_source.py makes. */
public class DictSourceTask extends SourceTask {

    private String topic;
    private Integer kafkaPartition;
    private Map<String, Object> sourcePartition;
    private long count;
    private int pollSize;
    private long next;

    @Override
    public void start(Map<String, String> props) {
        topic = props.get("topic");
        count = Long.parseLong(props.get("count"));
        pollSize = Integer.parseInt(props.getOrDefault("poll.size", "2000"));
        int task = Integer.parseInt(props.get("task"));
        kafkaPartition = Boolean.parseBoolean(props.get("partition.by.task")) ? task : null;
        sourcePartition = Map.of("task", task);
        Map<String, Object> offset = context.offsetStorageReader().offset(sourcePartition);
        next = offset == null ? 0 : ((Number) offset.get("next")).longValue();
    }

    @Override
    public List<SourceRecord> poll() throws InterruptedException {
        if (next >= count) {
            Thread.sleep(100);
            return null;
        }
        long end = Math.min(next + pollSize, count);
        List<SourceRecord> records = new ArrayList<>(pollSize);
        for (; next < end; next++) {
            Map<String, Object> value = new LinkedHashMap<>(8);
            value.put("id", next);
            value.put("name", "customer-" + next);
            value.put("price", next * 0.25);
            value.put("active", true);
            value.put("city", "Shenzhen");
            records.add(new SourceRecord(sourcePartition, Map.of("next", next + 1), topic, kafkaPartition, null, null, null, value));
        }
        return records;
    }

    @Override
    public void stop() {
    }

    @Override
    public String version() {
        return "1";
    }
}
