import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;

/**
 * Says what the real converters do: reads one case a line on standard input, writes one answer a line.
 *
 * A case names a converter, its config and what to do: "write" a value of a schema, or "read" bytes; with "header" as headers.
 * Values are tagged with their Java type, as in {"i32": 7}, so that both sides build the same; see tests/compat/test_converters.py.
 */
public class ConverterOracle {
    static final ObjectMapper JSON = new ObjectMapper().configure(JsonGenerator.Feature.ESCAPE_NON_ASCII, true);
    static final JsonConverter SCHEMAS = new JsonConverter();

    public static void main(String[] args) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        SCHEMAS.configure(Map.of(), false);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            JsonNode asked = JSON.readTree(line);
            try {
                answerTo(asked, answer);
            } catch (Unbuildable e) {
                throw e;
            } catch (Throwable e) {
                answer.put("error", String.valueOf(e.getMessage())).put("class", e.getClass().getSimpleName());
            }
            out.println(JSON.writeValueAsString(answer));
        }
        out.flush();
    }

    static class Unbuildable extends RuntimeException {
        Unbuildable(String message, Throwable cause) {
            super(message, cause);
        }
    }

    static void answerTo(JsonNode asked, ObjectNode answer) throws Exception {
        boolean header = asked.path("header").asBoolean();
        Object plugin = Class.forName(asked.get("converter").asText()).getDeclaredConstructor().newInstance();
        Map<String, Object> config = new HashMap<>();
        asked.path("config").properties().forEach(e -> config.put(e.getKey(), e.getValue().asText()));
        if (header) {
            config.put("converter.type", "header");
            ((HeaderConverter) plugin).configure(config);
        } else {
            ((Converter) plugin).configure(config, false);
        }
        if (asked.has("bytes")) {
            byte[] bytes = asked.get("bytes").isNull() ? null : Base64.getDecoder().decode(asked.get("bytes").asText());
            SchemaAndValue read = header
                ? ((HeaderConverter) plugin).toConnectHeader("topic", "name", bytes)
                : ((Converter) plugin).toConnectData("topic", bytes);
            if (read == null)  // what the header converter says for "null"; the worker takes it as no value
                read = SchemaAndValue.NULL;
            answer.set("schema", describe(read.schema()));
            answer.set("value", tag(read.value()));
            return;
        }
        Schema schema;
        Object value;
        try {
            schema = asked.path("schema").isMissingNode() ? null : SCHEMAS.asConnectSchema(asked.get("schema"));
            value = build(asked.get("value"));
        } catch (Exception e) {
            throw new Unbuildable(asked.toString(), e);
        }
        byte[] written = header
            ? ((HeaderConverter) plugin).fromConnectHeader("topic", "name", schema, value)
            : ((Converter) plugin).fromConnectData("topic", schema, value);
        answer.put("bytes", written == null ? null : Base64.getEncoder().encodeToString(written));
    }

    /** A schema as JSON; the schemas of elements that the header parser leaves open are null. */
    static JsonNode describe(Schema schema) {
        if (schema == null)
            return JSON.nullNode();
        boolean open = schema.type() == Schema.Type.ARRAY && schema.valueSchema() == null
            || schema.type() == Schema.Type.MAP && (schema.keySchema() == null || schema.valueSchema() == null);
        if (!open && schema.type() != Schema.Type.ARRAY && schema.type() != Schema.Type.MAP)
            return SCHEMAS.asJsonSchema(schema);
        ObjectNode said = JSON.createObjectNode().put("type", schema.type().getName()).put("optional", schema.isOptional());
        if (schema.type() == Schema.Type.MAP)
            said.set("keys", describe(schema.keySchema()));
        said.set(schema.type() == Schema.Type.MAP ? "values" : "items", describe(schema.valueSchema()));
        if (schema.name() != null)
            said.put("name", schema.name());
        return said;
    }

    static Object build(JsonNode node) {
        if (node.isNull())
            return null;
        if (node.isTextual())
            return node.textValue();
        if (node.isBoolean())
            return node.booleanValue();
        Map.Entry<String, JsonNode> tagged = node.properties().iterator().next();
        JsonNode said = tagged.getValue();
        switch (tagged.getKey()) {
            case "i8": return (byte) said.intValue();
            case "i16": return (short) said.intValue();
            case "i32": return said.intValue();
            case "i64": return said.longValue();
            case "big": return new BigInteger(said.asText());
            case "f32": return Float.parseFloat(said.asText());
            case "f64": return Double.parseDouble(said.asText());
            case "bytes": return Base64.getDecoder().decode(said.asText());
            case "dec": return new BigDecimal(said.asText());
            case "date": return new Date(said.longValue() * 24 * 60 * 60 * 1000);
            case "time":
            case "ts": return new Date(said.longValue());
            case "list": {
                List<Object> list = new ArrayList<>();
                said.forEach(element -> list.add(build(element)));
                return list;
            }
            case "map": {
                Map<Object, Object> map = new LinkedHashMap<>();
                said.forEach(entry -> map.put(build(entry.get(0)), build(entry.get(1))));
                return map;
            }
            case "struct": {
                Struct struct = new Struct(SCHEMAS.asConnectSchema(said.get("schema")));
                said.get("fields").properties().forEach(e -> struct.put(e.getKey(), build(e.getValue())));
                return struct;
            }
            default: throw new IllegalArgumentException(node.toString());
        }
    }

    static JsonNode tag(Object value) {
        ObjectNode said = JSON.createObjectNode();
        if (value == null)
            return JSON.nullNode();
        if (value instanceof String text)
            return JSON.getNodeFactory().textNode(text);
        if (value instanceof Boolean bool)
            return JSON.getNodeFactory().booleanNode(bool);
        if (value instanceof Byte b)
            return said.put("i8", b);
        if (value instanceof Short s)
            return said.put("i16", s);
        if (value instanceof Integer i)
            return said.put("i32", i);
        if (value instanceof Long l)
            return said.put("i64", l);
        if (value instanceof Float f)
            return said.put("f32", f.toString());
        if (value instanceof Double d)
            return said.put("f64", d.toString());
        if (value instanceof byte[] bytes)
            return said.put("bytes", Base64.getEncoder().encodeToString(bytes));
        if (value instanceof BigDecimal decimal)
            return said.put("dec", decimal.toString());
        if (value instanceof Date date)
            return said.put("ms", date.getTime());
        if (value instanceof List<?> list) {
            ArrayNode elements = said.putArray("list");
            list.forEach(element -> elements.add(tag(element)));
            return said;
        }
        if (value instanceof Map<?, ?> map) {
            ArrayNode entries = said.putArray("map");
            map.forEach((k, v) -> entries.addArray().add(tag(k)).add(tag(v)));
            return said;
        }
        Struct struct = (Struct) value;
        ObjectNode described = said.putObject("struct");
        described.set("schema", describe(struct.schema()));
        ObjectNode fields = described.putObject("fields");
        for (Field field : struct.schema().fields())
            fields.set(field.name(), tag(struct.getWithoutDefault(field.name())));
        return said;
    }
}
