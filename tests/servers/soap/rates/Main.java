package rates;

import com.sun.net.httpserver.HttpServer;
import jakarta.xml.ws.Endpoint;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Executors;

/** Arguments: the port, and a file of rows parted by tabs, of which the first is names. */
public final class Main {
  public static void main(String[] arguments) throws IOException {
    List<String[]> rows = Files.readAllLines(Path.of(arguments[1])).stream().skip(1).map(line -> line.split("\t", -1)).toList();
    HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), Integer.parseInt(arguments[0])), 50);
    server.setExecutor(Executors.newFixedThreadPool(4));
    Endpoint.create(new Bank.Central(rows)).publish(server.createContext("/central/ExchangeRates"));
    Endpoint.create(new Bank.Commercial(rows)).publish(server.createContext("/commercial/ExchangeRates"));
    server.createContext("/asked", exchange -> {
      byte[] text = String.join("\n", Bank.ASKED).getBytes(StandardCharsets.UTF_8);
      exchange.sendResponseHeaders(200, text.length == 0 ? -1 : text.length);
      exchange.getResponseBody().write(text);
      exchange.close();
    });
    server.start();
  }
}
