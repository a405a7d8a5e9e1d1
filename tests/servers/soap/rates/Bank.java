package rates;

import jakarta.jws.WebService;
import jakarta.xml.ws.BindingType;
import java.math.BigDecimal;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.xml.datatype.DatatypeConfigurationException;
import javax.xml.datatype.DatatypeConstants;
import javax.xml.datatype.DatatypeFactory;
import javax.xml.datatype.XMLGregorianCalendar;

/** A bank that answers from rows of text: bank, currency, day, kind, units, rate, published_at, note. */
abstract class Bank implements Contract {
  /** Of all banks, one line for each question. */
  static final List<String> ASKED = new CopyOnWriteArrayList<>();

  private final String name;
  private final List<String[]> rows;

  Bank(String name, List<String[]> rows) {
    this.name = name;
    this.rows = rows.stream().filter(row -> row[0].equals(name)).toList();
  }

  @Override
  public Quotes quotes(GetQuotes asked) throws RateFault {
    ASKED.add(name + " " + asked.currency + " " + asked.publishedAfter);
    List<String[]> known = rows.stream().filter(row -> row[1].equals(asked.currency)).toList();
    if (known.isEmpty()) {
      throw fault("this bank does not quote " + asked.currency, ProblemCode.UNKNOWN_CURRENCY, asked.currency, null, null);
    }
    String[] first = known.get(0);
    if (first[3].equals("WITHDRAWN")) {
      String successor = first[7].isEmpty() ? null : first[7];
      throw fault(asked.currency + " is no currency any more", ProblemCode.WITHDRAWN, asked.currency, time(first[2]), successor);
    }
    Quotes quotes = new Quotes();
    quotes.bank = name;
    quotes.currency = asked.currency;
    quotes.quote = known.stream().map(Bank::quote)
        .filter(quote -> asked.publishedAfter == null || order(quote.publishedAt, asked.publishedAfter) > 0)
        .sorted(Comparator.comparing(quote -> quote.publishedAt, Bank::order)).toList();
    return quotes;
  }

  private static int order(XMLGregorianCalendar one, XMLGregorianCalendar other) {
    int order = one.compare(other);
    return order == DatatypeConstants.INDETERMINATE ? 0 : order;
  }

  private static Quote quote(String[] row) {
    Quote quote = new Quote();
    quote.day = time(row[2]);
    quote.kind = QuoteKind.valueOf(row[3]);
    quote.units = Integer.parseInt(row[4]);
    quote.rate = row[5].isEmpty() ? null : new BigDecimal(row[5]);
    quote.publishedAt = time(row[6]);
    quote.note = row[7].isEmpty() ? null : row[7];
    return quote;
  }

  private static RateFault fault(String message, ProblemCode code, String currency, XMLGregorianCalendar withdrawnOn, String successor) {
    RateProblem problem = new RateProblem();
    problem.code = code;
    problem.currency = currency;
    problem.withdrawnOn = withdrawnOn;
    problem.successor = successor;
    return new RateFault(message, problem);
  }

  /** A day or a moment as XML writes it, its time zone included. */
  private static XMLGregorianCalendar time(String text) {
    try {
      return DatatypeFactory.newInstance().newXMLGregorianCalendar(text);
    } catch (DatatypeConfigurationException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Speaks SOAP 1.1. */
  @WebService(serviceName = "ExchangeRates", portName = "ExchangeRates", targetNamespace = NAMESPACE, endpointInterface = "rates.Contract")
  public static final class Central extends Bank {
    Central(List<String[]> rows) {
      super("central", rows);
    }
  }

  /** Speaks SOAP 1.2. By this name of the binding there is a WSDL, too. */
  @WebService(serviceName = "ExchangeRates", portName = "ExchangeRates", targetNamespace = NAMESPACE, endpointInterface = "rates.Contract")
  @BindingType("http://java.sun.com/xml/ns/jaxws/2003/05/soap/bindings/HTTP/")
  public static final class Commercial extends Bank {
    Commercial(List<String[]> rows) {
      super("commercial", rows);
    }
  }
}
