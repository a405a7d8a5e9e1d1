module kafka-orders-to-postgres

go 1.26

require (
	github.com/jackfield/jackfield/sdk/go v0.0.0
	github.com/shopspring/decimal v1.4.0
)

replace github.com/jackfield/jackfield/sdk/go => ../../../sdk/go
