// Go's side of benchmarks/echo: a goroutine a connection, as the net package has it written: echo PORT
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			continue
		}
		go func() {
			defer connection.Close()
			buffer := make([]byte, 64*1024)
			for {
				count, err := connection.Read(buffer)
				if err != nil {
					return
				}
				if _, err := connection.Write(buffer[:count]); err != nil {
					return
				}
			}
		}()
	}
}
