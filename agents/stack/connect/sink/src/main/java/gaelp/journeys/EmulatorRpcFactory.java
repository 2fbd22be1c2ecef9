package gaelp.journeys;

import com.google.cloud.NoCredentials;
import com.google.cloud.ServiceRpc;
import com.google.cloud.bigquery.BigQueryOptions;
import com.google.cloud.bigquery.spi.BigQueryRpcFactory;
import com.google.cloud.bigquery.spi.v2.HttpBigQueryRpc;

/**
 * Sends the connector's requests to the emulator of BIGQUERY_EMULATOR_HOST, for which no connector has a setting. Google's
 * client finds this by its service file; without the variable it changes nothing.
 */
public final class EmulatorRpcFactory implements BigQueryRpcFactory {
  @Override
  public ServiceRpc create(BigQueryOptions options) {
    String host = System.getenv("BIGQUERY_EMULATOR_HOST");
    if (host == null || host.isEmpty()) {
      return new HttpBigQueryRpc(options);
    }
    return new HttpBigQueryRpc(
        options.toBuilder().setHost(host).setCredentials(NoCredentials.getInstance()).build());
  }
}
