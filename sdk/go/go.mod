module github.com/jackfield/jackfield/sdk/go

go 1.26
