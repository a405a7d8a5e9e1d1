/** A service of exchange rates, for the tests. */
@XmlSchema(namespace = Contract.NAMESPACE, elementFormDefault = XmlNsForm.QUALIFIED)
package rates;

import jakarta.xml.bind.annotation.XmlNsForm;
import jakarta.xml.bind.annotation.XmlSchema;
