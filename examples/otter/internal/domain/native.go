package domain

import "net/http"

// Rows as the native API shows them.
type (
	serverRow struct {
		ID     int    `json:"Server_Id"`
		Name   string `json:"Server_Name"`
		Active bool   `json:"Active_Indicator"`
	}
	roleRow struct {
		ID   int    `json:"ServerRole_Id"`
		Name string `json:"ServerRole_Name"`
	}
	variableRow struct {
		Name        string  `json:"Variable_Name"`
		Value       string  `json:"Variable_Value"`
		Sensitive   bool    `json:"Sensitive_Indicator"`
		Server      *string `json:"Server_Name"`
		Role        *string `json:"ServerRole_Name"`
		Environment *string `json:"Environment_Name"`
	}
)

// Native answers the native method that the path parameter method names, upper and lower case told
// apart: Servers_GetServers, Roles_GetRoles or Variables_GetAll. None of them takes a parameter, so
// whatever else the request carries is left unread.
func (o *Otter) Native(w http.ResponseWriter, r *http.Request) {
	rows, err := o.native(pathParam(r, "method"))
	if err != nil {
		answerError(w, err)
		return
	}
	answerJSON(w, http.StatusOK, rows)
}

func (o *Otter) native(method string) (any, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch method {
	case "Servers_GetServers":
		return rowsOf(o.sorted(serverKind), func(e *entry) serverRow {
			return serverRow{e.id, e.name, e.active}
		}), nil
	case "Roles_GetRoles":
		return rowsOf(o.sorted(roleKind), func(e *entry) roleRow {
			return roleRow{e.id, e.name}
		}), nil
	case "Variables_GetAll":
		return rowsOf(o.scoped(), func(v scopedView) variableRow { return variableRow(v) }), nil
	}
	return nil, refuse(http.StatusNotFound, "There is no native method %q: "+
		"use Servers_GetServers, Roles_GetRoles or Variables_GetAll.", method)
}

func rowsOf[From, To any](list []From, row func(From) To) []To {
	rows := []To{} // no rows are [] in JSON, not null
	for _, from := range list {
		rows = append(rows, row(from))
	}
	return rows
}
