// Go's side of benchmarks/coroutines, on one processor: peer KIND COUNT. Go has no switch by hand.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func spawnJoin(count int) {
	for i := 0; i < count; i++ {
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
	}
}

func yield(count int) {
	var both sync.WaitGroup
	step := func() {
		for i := 0; i < count/2; i++ {
			runtime.Gosched()
		}
		both.Done()
	}
	both.Add(2)
	go step()
	step()
	both.Wait()
}

func channel(count int) {
	numbers := make(chan int)
	go func() {
		for i := 0; i < count; i++ {
			numbers <- i
		}
		close(numbers)
	}()
	sum := 0
	for number := range numbers {
		sum += number
	}
	if sum != count*(count-1)/2 {
		panic("something was lost")
	}
}

func timer(count int) {
	for i := 0; i < count; i++ {
		time.AfterFunc(10*time.Second, func() { panic("a timer of ten seconds has fired") }).Stop()
	}
}

func sleepers(count int) {
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			time.Sleep(500 * time.Millisecond)
			all.Done()
		}()
	}
	all.Wait()
}

func processorTime() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	runtime.GOMAXPROCS(1)
	kinds := map[string]func(int){"spawn_join": spawnJoin, "yield": yield, "channel": channel, "timer": timer, "sleepers": sleepers}
	work := kinds[os.Args[1]]
	count, _ := strconv.Atoi(os.Args[2])
	work(count/10 + 1)
	start := processorTime()
	work(count)
	fmt.Println((processorTime() - start) / float64(count))
}
