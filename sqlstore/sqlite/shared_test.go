package sqlite

import (
	"testing"

	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

func TestMain(m *testing.M) {
	roles := database.Roles()
	roles["lock"] = lockRole
	roles["served"] = servedRole
	sqltest.Main(m, roles)
}

func TestProcesses(t *testing.T) { database.TestProcesses(t) }
func TestLog(t *testing.T)       { database.TestLog(t) }

func BenchmarkLookup(b *testing.B)   { database.BenchmarkLookup(b) }
func BenchmarkList(b *testing.B)     { database.BenchmarkList(b) }
func BenchmarkWriteLog(b *testing.B) { database.BenchmarkWriteLog(b) }
func BenchmarkReadLog(b *testing.B)  { database.BenchmarkReadLog(b) }
