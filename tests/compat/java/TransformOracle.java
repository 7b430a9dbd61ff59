import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TimeZone;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/**
 * Says what the real transforms and predicates do: reads one case a line on standard input, writes one answer a line.
 *
 * A case names a plugin, its config, and a record as ConverterOracle builds its values; a record with an "offset" is a sink's.
 */
public class TransformOracle {
    public static void main(String[] args) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        ConverterOracle.SCHEMAS.configure(Map.of(), false);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine())
            out.println(ConverterOracle.JSON.writeValueAsString(answerTo(ConverterOracle.JSON.readTree(line))));
        out.flush();
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static ObjectNode answerTo(JsonNode asked) throws Exception {
        ObjectNode answer = ConverterOracle.JSON.createObjectNode();
        Object plugin = Class.forName(asked.get("plugin").asText()).getDeclaredConstructor().newInstance();
        Map<String, Object> config = new HashMap<>();
        asked.path("config").properties().forEach(e -> config.put(e.getKey(), e.getValue().asText()));
        try {
            if (plugin instanceof Transformation transform)
                transform.configure(config);
            else
                ((Predicate) plugin).configure(config);
        } catch (RuntimeException e) {
            return answer.put("config_error", String.valueOf(e.getMessage())).put("class", e.getClass().getSimpleName());
        }
        ConnectRecord record = record(asked.get("record"));
        try {
            if (plugin instanceof Predicate predicate)
                return answer.put("test", predicate.test(record));
            ConnectRecord after = ((Transformation) plugin).apply(record);
            answer.set("record", after == null ? ConverterOracle.JSON.nullNode() : describe(after));
        } catch (RuntimeException e) {
            answer.put("error", String.valueOf(e.getMessage())).put("class", e.getClass().getSimpleName());
        }
        return answer;
    }

    static Schema schema(JsonNode said) {
        return said == null || said.isNull() ? null : ConverterOracle.SCHEMAS.asConnectSchema(said);
    }

    static ConnectRecord<?> record(JsonNode said) {
        String topic = said.path("topic").asText("topic");
        Integer partition = said.has("partition") ? (Integer) said.get("partition").asInt() : null;
        Long timestamp = said.has("timestamp") ? (Long) said.get("timestamp").asLong() : null;
        Schema keySchema = schema(said.get("key_schema"));
        Schema valueSchema = schema(said.get("value_schema"));
        Object key = said.has("key") ? ConverterOracle.build(said.get("key")) : null;
        Object value = said.has("value") ? ConverterOracle.build(said.get("value")) : null;
        ConnectHeaders headers = new ConnectHeaders();
        said.path("headers").forEach(h -> headers.add(h.get(0).asText(), ConverterOracle.build(h.get(1)), schema(h.get(2))));
        if (said.has("offset"))
            return new SinkRecord(topic, partition == null ? 0 : partition, keySchema, key, valueSchema, value,
                said.get("offset").asLong(), timestamp, TimestampType.CREATE_TIME, headers);
        return new SourceRecord(null, null, topic, partition, keySchema, key, valueSchema, value, timestamp, headers);
    }

    static ObjectNode describe(ConnectRecord<?> record) {
        ObjectNode said = ConverterOracle.JSON.createObjectNode().put("topic", record.topic());
        said.put("partition", record.kafkaPartition()).put("timestamp", record.timestamp());
        said.set("key_schema", ConverterOracle.describe(record.keySchema()));
        said.set("key", ConverterOracle.tag(record.key()));
        said.set("value_schema", ConverterOracle.describe(record.valueSchema()));
        said.set("value", ConverterOracle.tag(record.value()));
        ArrayNode headers = said.putArray("headers");
        for (Header header : record.headers())
            headers.addArray().add(header.key()).add(ConverterOracle.tag(header.value())).add(ConverterOracle.describe(header.schema()));
        return said;
    }
}
