module sap-idoc-to-kafka

go 1.26.0

require (
	github.com/jackfield/jackfield/sdk/go v0.0.0
	github.com/shopspring/decimal v1.4.0
	golang.org/x/text v0.44.0
)

replace github.com/jackfield/jackfield/sdk/go => ../../../sdk/go
