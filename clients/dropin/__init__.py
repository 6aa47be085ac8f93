"""What `clients.metatrader5` is made of: one connection a process, as the MetaTrader5 package has it.

`module` is that connection with its last error, `accounts` chooses among the gateway's, `arguments` puts what the
package's rules have let pass into the form that travels, `failures` says a gateway's errors in the package's words.
"""
