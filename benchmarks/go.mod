module github.com/seed-be062aaa/apikey/benchmarks

go 1.26.0

require (
	github.com/danielgtaylor/huma/v2 v2.37.2
	github.com/go-chi/chi/v5 v5.5.0
	github.com/go-chi/httplog/v3 v3.3.0
	github.com/go-chi/jwtauth/v5 v5.3.3
	github.com/go-json-experiment/json v1.27.2
	github.com/gofiber/fiber/v3 v3.1.0
	github.com/labstack/echo/v4 v4.16.0
	github.com/labstack/echo/v5 v5.4.4
	github.com/seed-be062aaa/apikey v0.1.0
	github.com/seed-be062aaa/apikey/sqlstore/postgres v0.1.0
	github.com/seed-be062aaa/apikey/sqlstore/sqlite v0.1.0
	github.com/tidwall/gjson v1.20.1
	github.com/valyala/fastjson v1.6.10
)

replace (
	github.com/seed-be062aaa/apikey => ..
	github.com/seed-be062aaa/apikey/sqlstore/postgres => ../sqlstore/postgres
	github.com/seed-be062aaa/apikey/sqlstore/sqlite => ../sqlstore/sqlite
)
