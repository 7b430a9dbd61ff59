package bench;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.source.SourceConnector;

/** Makes records out of nothing, as bench/dict_source.py does: the rival of a Python task that makes a dict a record. */
public class DictSourceConnector extends SourceConnector {
    static final ConfigDef CONFIG = new ConfigDef()
        .define("topic", Type.STRING, Importance.HIGH, "Where the records go.")
        .define("count", Type.LONG, Importance.HIGH, "Records of all tasks together.")
        .define("poll.size", Type.INT, 2000, Importance.LOW, "Records in one poll.")
        .define("partition.by.task", Type.BOOLEAN, false, Importance.LOW, "Task n writes to partition n.");

    private Map<String, String> props;

    @Override
    public void start(Map<String, String> props) {
        this.props = props;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return DictSourceTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int maxTasks) {
        long count = Long.parseLong(props.get("count"));
        List<Map<String, String>> configs = new ArrayList<>();
        for (int task = 0; task < maxTasks; task++) {
            Map<String, String> config = new HashMap<>(props);
            config.put("task", Integer.toString(task));
            config.put("count", Long.toString(count * (task + 1) / maxTasks - count * task / maxTasks));
            configs.add(config);
        }
        return configs;
    }

    @Override
    public void stop() {
    }

    @Override
    public ConfigDef config() {
        return CONFIG;
    }

    @Override
    public String version() {
        return "1";
    }
}
