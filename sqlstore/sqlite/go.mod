module github.com/seed-be062aaa/apikey/sqlstore/sqlite

go 1.26.0

require github.com/seed-be062aaa/apikey v0.1.0

replace github.com/seed-be062aaa/apikey => ../..
