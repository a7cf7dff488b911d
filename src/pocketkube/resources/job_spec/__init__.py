"""What Jobs and the job templates of CronJobs are made of: defaults, rules, what may change, what a status may say."""
