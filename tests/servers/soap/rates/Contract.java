package rates;

import jakarta.jws.WebMethod;
import jakarta.jws.WebParam;
import jakarta.jws.WebResult;
import jakarta.jws.WebService;
import jakarta.jws.soap.SOAPBinding;
import jakarta.xml.bind.annotation.XmlAccessType;
import jakarta.xml.bind.annotation.XmlAccessorType;
import jakarta.xml.bind.annotation.XmlElement;
import jakarta.xml.bind.annotation.XmlRootElement;
import jakarta.xml.bind.annotation.XmlSchemaType;
import jakarta.xml.bind.annotation.XmlType;
import jakarta.xml.ws.WebFault;
import java.math.BigDecimal;
import java.util.List;
import javax.xml.datatype.XMLGregorianCalendar;

/** What the service's WSDL says: it is made of these types. */
@WebService(name = "ExchangeRates", targetNamespace = Contract.NAMESPACE)
@SOAPBinding(parameterStyle = SOAPBinding.ParameterStyle.BARE)
public interface Contract {
  String NAMESPACE = "urn:example:exchange-rates:1";

  /** The quotes of a currency that were published after a moment, in the order of their publication. */
  @WebMethod(operationName = "GetQuotes", action = NAMESPACE + "/GetQuotes")
  @WebResult(name = "Quotes", targetNamespace = NAMESPACE)
  Quotes quotes(@WebParam(name = "GetQuotes", targetNamespace = NAMESPACE, partName = "asked") GetQuotes asked) throws RateFault;

  @XmlRootElement(name = "GetQuotes")
  @XmlType(name = "GetQuotes", propOrder = {"currency", "publishedAfter"})
  @XmlAccessorType(XmlAccessType.FIELD)
  class GetQuotes {
    @XmlElement(required = true)
    public String currency;
    @XmlElement(required = true, nillable = true)
    @XmlSchemaType(name = "dateTime")
    public XMLGregorianCalendar publishedAfter;
  }

  @XmlType(name = "Quotes", propOrder = {"bank", "currency", "quote"})
  @XmlAccessorType(XmlAccessType.FIELD)
  class Quotes {
    @XmlElement(required = true)
    public String bank;
    @XmlElement(required = true)
    public String currency;
    public List<Quote> quote;
  }

  /** So many euros for so many units of the currency. There is no rate on a holiday. */
  @XmlType(name = "Quote", propOrder = {"day", "kind", "units", "rate", "publishedAt", "note"})
  @XmlAccessorType(XmlAccessType.FIELD)
  class Quote {
    /** With the time zone of the bank. */
    @XmlElement(required = true)
    @XmlSchemaType(name = "date")
    public XMLGregorianCalendar day;
    @XmlElement(required = true)
    public QuoteKind kind;
    public int units;
    @XmlElement(required = true, nillable = true)
    public BigDecimal rate;
    @XmlElement(required = true)
    @XmlSchemaType(name = "dateTime")
    public XMLGregorianCalendar publishedAt;
    public String note;
  }

  @XmlType(name = "QuoteKind")
  enum QuoteKind { FIXING, INDICATIVE, HOLIDAY }

  @XmlType(name = "ProblemCode")
  enum ProblemCode { UNKNOWN_CURRENCY, WITHDRAWN }

  @XmlType(name = "RateProblem", propOrder = {"code", "currency", "withdrawnOn", "successor"})
  @XmlAccessorType(XmlAccessType.FIELD)
  class RateProblem {
    @XmlElement(required = true)
    public ProblemCode code;
    @XmlElement(required = true)
    public String currency;
    @XmlElement(required = true, nillable = true)
    @XmlSchemaType(name = "date")
    public XMLGregorianCalendar withdrawnOn;
    @XmlElement(required = true, nillable = true)
    public String successor;
  }

  @WebFault(name = "RateProblem", targetNamespace = NAMESPACE)
  class RateFault extends Exception {
    private final RateProblem problem;

    public RateFault(String message, RateProblem problem) {
      super(message);
      this.problem = problem;
    }

    public RateProblem getFaultInfo() {
      return problem;
    }
  }
}
